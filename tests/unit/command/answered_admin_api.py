"""An Admin API client whose answers the test writes."""

from __future__ import annotations

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment

REGION = "eu-central-1"


def api(url: str) -> AdminApi:
    return AdminApi(
        Deployment(
            verifier_url=url,
            guarded_url="",
            region=REGION,
            stack_name="stack",
            issuer="i",
            audience="a",
            tables={},
            functions={},
            wrapping_key_id="",
            aws_endpoint_url="http://127.0.0.1:9",
        )
    )
