"""Incidents: detectors are run, and what they find is kept, updated, ended, closed and told."""
