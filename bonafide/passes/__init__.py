"""Test passes, through the Admin API."""
