"""The stack's template on a laptop."""
