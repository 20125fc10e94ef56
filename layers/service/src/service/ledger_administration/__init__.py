"""What the Admin API does about a ledger."""
