"""Takes a payment. The app signed the body with the proof: a body that changed on its way never gets here."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from bonafide_tokens.signed_body import requires_signed_body


@requires_signed_body
def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Take the payment that the body describes; for REST APIs and for HTTP APIs, payload 2.0."""
    body = event["body"]
    text = base64.b64decode(body) if event.get("isBase64Encoded") else body
    try:
        payment = json.loads(text)
        order, cents = str(payment["order"]), int(payment["cents"])
    except (ValueError, KeyError, TypeError):
        return _answer(400, {"title": "A payment needs an order and an amount in cents."})
    return _answer(201, {"order": order, "paid_cents": cents})


def _answer(status: int, body: Mapping[str, object]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
