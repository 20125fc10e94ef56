"""``bonafide ledger``."""
