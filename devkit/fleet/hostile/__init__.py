"""Hostile devices and clients, one attack each."""
