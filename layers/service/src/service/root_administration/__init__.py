"""Root keys, as operators change them."""
