"""API Gateway and Lambda on 127.0.0.1."""
