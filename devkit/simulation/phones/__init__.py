"""Phones by the rules of the client libraries: one by one, or as cohorts."""
