"""Detectors over tallies: rates by the minute and the hour."""
