"""Android: key attestation, its revocation list, and Play Integrity verdicts."""
