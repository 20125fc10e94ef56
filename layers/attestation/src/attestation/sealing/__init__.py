"""Sealed secrets: the agreement key of an app instance, and what is sealed to it."""
