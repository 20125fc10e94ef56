"""The proxy for keys that cost money: which calls go on, at whose expense, and what of the answer comes back."""
