"""Erasing what is kept of one key: from the tables through the Admin API, from recorded decisions by rewriting them."""
