"""The account of the local AWS stand-in: nothing in it is a secret."""

from __future__ import annotations

from typing import Any

REGION = "eu-central-1"
ACCOUNT_ID = "000000000000"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def client_arguments(endpoint_url: str, region: str = REGION) -> dict[str, Any]:
    """Keyword arguments for `boto3.client`, so that no client ever reaches the real AWS by accident."""
    return {
        "endpoint_url": endpoint_url,
        "region_name": region,
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
