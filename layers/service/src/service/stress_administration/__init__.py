"""Use cases of the Admin API: stress, which an operator declares."""
