"""The gate: whether a request may pass, by the trust bundle of this moment. For authorizers and backends alike."""
