"""Reads a ledger as an auditor does: with its key, and what was seen of it before."""
