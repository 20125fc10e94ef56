"""GET and POST /v1/whoami of the guarded API: shows a token's holder what a relying party's backend sees.

A backend needs nothing but this: the authorizer's context in the event. The standard library is enough.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
}

_OF_THE_GATEWAY: Final = frozenset({"principalId", "integrationLatency"})
"""What API Gateway adds to a context by itself."""


def describe(event: Mapping[str, Any]) -> dict[str, str]:
    """The authorizer's context: every member a string, as the authorizer wrote it."""
    context = (event.get("requestContext") or {}).get("authorizer") or {}
    return {name: str(value) for name, value in context.items() if name not in _OF_THE_GATEWAY}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Lambda's entry."""
    return {
        "statusCode": 200,
        "headers": {"Access-Control-Allow-Origin": os.environ.get("ALLOWED_ORIGIN") or "*", **_HEADERS},
        "body": json.dumps(describe(event)),
        "isBase64Encoded": False,
    }
