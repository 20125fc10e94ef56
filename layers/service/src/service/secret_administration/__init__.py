"""The Admin API of runtime secrets: a room of its own, as it needs the Admin stack, which needs the secrets."""
