"""A stack in a region as its limits let it answer, and the gates beside it."""
