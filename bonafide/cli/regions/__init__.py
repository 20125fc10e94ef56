"""``bonafide region``."""
