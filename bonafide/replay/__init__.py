"""Recorded decisions, read and replayed."""
