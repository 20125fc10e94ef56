"""Shows orders. What it knows of the device, the authorizer said; who is at it is for the app's own login to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_ORDERS = (
    {"order": "1001", "item": "two coffees", "cents": 640},
    {"order": "1002", "item": "a bicycle", "cents": 49900},
)


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """All orders, or the one that the path names; for REST APIs and for HTTP APIs, payload 2.0."""
    wanted = (event.get("pathParameters") or {}).get("order")
    orders = [order for order in _ORDERS if wanted in (None, order["order"])]
    if not orders:
        return _answer(404, {"title": "There is no such order."})
    device = authorizer_context(event)
    return _answer(200, {"orders": orders, "key_id": device.get("key_id"), "request_class": device["request_class"]})


def authorizer_context(event: Mapping[str, Any]) -> Mapping[str, str]:
    """What the authorizer knows of the caller: flat for REST APIs, under `lambda` for HTTP APIs."""
    context: Mapping[str, Any] = event["requestContext"]["authorizer"]
    nested: Mapping[str, str] = context.get("lambda", context)
    return nested


def _answer(status: int, body: Mapping[str, object]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
