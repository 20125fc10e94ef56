"""One adapter for each DynamoDB table."""
