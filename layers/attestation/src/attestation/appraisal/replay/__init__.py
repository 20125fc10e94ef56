"""A draft policy run over recorded decisions, and what it would change."""
