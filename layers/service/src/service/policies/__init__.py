"""Policies and client policies: stored, published, read."""
