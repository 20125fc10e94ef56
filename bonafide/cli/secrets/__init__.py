"""Commands about the secrets that app instances get."""
