"""Tallies of decisions: from the lines that processes write to rows of the ``tallies`` table, and back."""
