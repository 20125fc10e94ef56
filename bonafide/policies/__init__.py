"""Drafts of policies on this machine, and publishing them."""
