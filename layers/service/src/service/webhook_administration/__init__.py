"""The Admin API of webhooks: a room of its own, as it needs the Admin stack and what tells."""
