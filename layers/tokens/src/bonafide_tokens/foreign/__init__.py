"""Tokens of other parties: read strictly, and only where a setting names who signs them."""
