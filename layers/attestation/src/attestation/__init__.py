"""Bonafide's pure attestation library: evidence in, claims and verdicts out. No clock, network or logging."""
