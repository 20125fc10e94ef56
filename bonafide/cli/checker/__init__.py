"""``bonafide checker``."""
