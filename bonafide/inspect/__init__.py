"""Evidence, printed for people."""
