"""Strict, bounded readers of what vendors sign: DER, CBOR, certificates, names and chains."""
