"""What vendors say: revocation lists and Play Integrity, fetched and remembered."""
