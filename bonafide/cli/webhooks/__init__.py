"""Commands about the webhooks that are told of incidents."""
