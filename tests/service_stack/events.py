"""REST proxy events (payload 1.0) as API Gateway sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"


def rest_event(
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    base64_encoded: bool = False,
    authorizer: Mapping[str, object] | None = None,
    resource: str | None = None,
    query: Mapping[str, str] | None = None,
    mapping: str = "",
) -> dict[str, Any]:
    """An event. ``body`` may be text as it is, bytes (sent in base64), or a value to send as JSON; ``resource`` is the
    route, where it is not the path itself; ``mapping`` what a custom domain maps to the API, as in ``/attest``."""
    if body is None or isinstance(body, str):
        text = body
    elif isinstance(body, bytes):
        text, base64_encoded = base64.b64encode(body).decode("ascii"), True
    else:
        text = json.dumps(body)
    context: dict[str, Any] = {
        "accountId": "123456789012",
        "apiId": "a1b2c3d4e5",
        "httpMethod": method,
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "tests"},
        "path": f"{mapping or '/dev'}{path}",
        "protocol": "HTTP/1.1",
        "requestId": REQUEST_ID,
        "resourcePath": resource or path,
        "stage": "dev",
    }
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    sent = {"Content-Type": "application/json", "Host": "example.test", **(headers or {})}
    return {
        "resource": resource or path,
        "path": mapping + path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None if query is None else dict(query),
        "multiValueQueryStringParameters": None if query is None else {n: [v] for n, v in query.items()},
        "pathParameters": _path_parameters(resource or path, path),
        "stageVariables": None,
        "requestContext": context,
        "body": text,
        "isBase64Encoded": base64_encoded,
    }


def _path_parameters(resource: str, path: str) -> dict[str, str] | None:
    """What stood in the braces of a route, for routes that have one name in them."""
    before, brace, rest = resource.partition("{")
    return {rest.partition("}")[0].rstrip("+"): path.removeprefix(before)} if brace else None


def json_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body of an answer."""
    body: dict[str, Any] = json.loads(answer["body"])
    return body


def slug_of(answer: Mapping[str, Any]) -> str:
    """The problem slug of an answer, or ``""`` for a success."""
    return json_of(answer)["type"].rsplit("/", 1)[-1] if answer["statusCode"] >= 400 else ""
