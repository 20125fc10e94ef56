"""The Admin API of a stack on the AWS stand-in, whose API Gateway checks no signature and so names no signer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide.operator.admin_api import problem_of
from bonafide.operator.local_account import ACCOUNT_ID

_SIGNER: Final = f"arn:aws:iam::{ACCOUNT_ID}:user/deployment-test"


@dataclass(frozen=True, slots=True)
class InvokedAdmin:
    """:class:`~bonafide.operator.admin_api.AdminCalls` by invoking AdministerFunction with what API Gateway would send
    for a signed request, through a boto3 Lambda client."""

    client: Any
    function: str

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        event = {
            "httpMethod": method,
            "path": path,
            "headers": {},
            "multiValueHeaders": {},
            "pathParameters": {"proxy": path.removeprefix("/admin/")},
            "queryStringParameters": None,
            "requestContext": {"identity": {"userArn": _SIGNER}, "path": path, "requestId": "deployment-test"},
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(event).encode("utf-8"))
        reply = json.loads(answer["Payload"].read())
        members: dict[str, Any] = json.loads(reply["body"])
        if reply["statusCode"] != 200:
            raise problem_of(reply["statusCode"], members, path)
        return members
