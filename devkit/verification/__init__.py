"""Proof that a stack does in an account what it promises: `make verify-aws`."""
