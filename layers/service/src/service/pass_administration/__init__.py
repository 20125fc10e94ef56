"""Test passes, as operators mint, list and revoke them."""
