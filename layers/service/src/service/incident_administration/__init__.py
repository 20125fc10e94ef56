"""Operators' use cases about incidents."""
