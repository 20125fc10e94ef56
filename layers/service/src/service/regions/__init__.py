"""Regions: which there are, whose a key or a challenge is, and who took over from one that is lost."""
