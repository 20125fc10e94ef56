"""The ledger: what a stack published, in an append-only Merkle log of static tiles that anyone can verify."""
