"""Root keys: which of them count, and how a stack moves from one to the next (docs/root-keys.md)."""
