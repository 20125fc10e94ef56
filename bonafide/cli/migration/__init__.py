"""``bonafide migration``."""
