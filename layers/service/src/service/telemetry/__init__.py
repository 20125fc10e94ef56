"""Decisions, metrics and support codes in the log."""
