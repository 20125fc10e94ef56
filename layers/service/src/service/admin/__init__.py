"""The Admin API: operators' requests, authorised by IAM and audited."""
