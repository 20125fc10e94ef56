"""Erasing what the tables keep of one key."""
