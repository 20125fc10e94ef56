"""The bonafide command."""
