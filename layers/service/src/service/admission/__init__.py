"""Pacing of enrolments: which installs get a challenge now, and when the others come back."""
