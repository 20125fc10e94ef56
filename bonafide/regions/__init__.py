"""The regions of a stack, for operators."""
