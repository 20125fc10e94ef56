"""The events of one call as the other kinds of API Gateway send them, after the samples in AWS's documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.gate.stand import Call

DOMAIN = "abcdef123.execute-api.eu-central-1.amazonaws.com"
API = "arn:aws:execute-api:eu-central-1:123456789012:abcdef123"


def rest(call: Call) -> dict[str, Any]:
    """REST API, REQUEST authorizer."""
    return call.event()


def rest_token(call: Call) -> dict[str, Any]:
    """REST API, TOKEN authorizer: no header but the token's."""
    return call.token_event()


def _joined(call: Call) -> dict[str, str]:
    """HTTP APIs have one value per header, small letters in payload 2.0, repeated ones joined by commas."""
    values: dict[str, list[str]] = {}
    for name, listed in call.event()["multiValueHeaders"].items():
        values.setdefault(name.lower(), []).extend(listed)
    return {name: ",".join(str(value) for value in listed) for name, listed in values.items() if listed}


def http_1(call: Call) -> dict[str, Any]:
    """HTTP API, payload 1.0."""
    event = call.event() | {"version": "1.0", "identitySource": call.token, "headers": _joined(call)}
    del event["multiValueHeaders"]
    return event


def http_2(call: Call) -> dict[str, Any]:
    """HTTP API, payload 2.0: ``rawPath`` begins with the stage."""
    raw_path = call.path if call.stage == "$default" else f"/{call.stage}{call.path}"
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"{API}/{call.stage}/{call.method}{call.path}",
        "identitySource": [call.token] if call.token else None,
        "routeKey": "ANY /{proxy+}",
        "rawPath": raw_path,
        "rawQueryString": call.query,
        "headers": _joined(call),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef123",
            "domainName": DOMAIN,
            "domainPrefix": "abcdef123",
            "http": {"method": call.method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "P8zkDiQ8oAMEJsQ=",
            "routeKey": "ANY /{proxy+}",
            "stage": call.stage,
        },
    }


def websocket(call: Call) -> dict[str, Any]:
    """WebSocket API, ``$connect``: the proof is for a GET of the stage's URL, with https for wss."""
    handshake = call.change(method="GET", signed_url=call.signed_url or f"https://{DOMAIN}/{call.stage}")
    event = handshake.event()
    return {
        "type": "REQUEST",
        "methodArn": f"{API}/{call.stage}/$connect",
        "headers": event["headers"],
        "multiValueHeaders": event["multiValueHeaders"],
        "queryStringParameters": event["queryStringParameters"],
        "multiValueQueryStringParameters": event["multiValueQueryStringParameters"],
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "stage": call.stage,
            "requestId": "Nj8EXAMPLE=",
            "domainName": DOMAIN,
            "connectionId": "L0SM9cOFvHcCIhw=",
            "apiId": "abcdef123",
        },
    }


KINDS: dict[str, Callable[[Call], dict[str, Any]]] = {
    "rest-request": rest,
    "http-1.0": http_1,
    "http-2.0": http_2,
    "websocket": websocket,
}
"""Every kind that can carry a proof, by the name in the decision line."""
