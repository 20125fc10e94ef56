"""``bonafide pass``."""
