"""Use cases of the Admin API: the regions of a stack."""
