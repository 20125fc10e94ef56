"""The test roots, and certificates below them."""
