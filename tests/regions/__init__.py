"""The test bed of several regions, and what is driven on it."""
