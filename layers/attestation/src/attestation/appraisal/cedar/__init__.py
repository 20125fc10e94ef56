"""Appraisal policies in Cedar: read, compiled once, and evaluated."""
