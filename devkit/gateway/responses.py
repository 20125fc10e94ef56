"""API Gateway's own answers, rendered from the template's `GatewayResponses`.

SAM CLI answers with fixed texts of its own; AWS renders the response that the template configures for the kind of
error, or its DEFAULT_4XX and DEFAULT_5XX, by replacing `$context...` variables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Kind of error: (status without configuration, AWS's own message).
# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
KINDS = {
    "ACCESS_DENIED": (403, "User is not authorized to access this resource with an explicit deny"),
    "API_CONFIGURATION_ERROR": (500, "Internal server error"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "Internal server error"),
    "AUTHORIZER_FAILURE": (500, "Internal server error"),
    "INTEGRATION_FAILURE": (502, "Internal server error"),
    "INTEGRATION_TIMEOUT": (504, "Endpoint request timed out"),
    "INVALID_SIGNATURE": (403, "The request signature we calculated does not match the signature you provided."),
    "MISSING_AUTHENTICATION_TOKEN": (403, "Missing Authentication Token"),
    "REQUEST_TOO_LARGE": (413, "Request Too Long"),
    "THROTTLED": (429, "Too Many Requests"),
    "UNAUTHORIZED": (401, "Unauthorized"),
}
_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.]+)")


class Refusal(Exception):
    """The gateway itself answers, with the response of this kind; ``message`` takes the place of the kind's own."""

    def __init__(self, kind: str, authorizer: Mapping[str, str] | None = None, message: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.authorizer = dict(authorizer or {})
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """A rendered response."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class GatewayResponses:
    """The responses that one API configures, by kind of error, as in the template (functions resolved)."""

    configured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def render(self, refusal: Refusal, *, request_id: str) -> Answer:
        """The answer to one refused request."""
        own_status, usual = KINDS[refusal.kind]
        message = refusal.message or usual
        family = "DEFAULT_4XX" if own_status < 500 else "DEFAULT_5XX"
        response = self.configured.get(refusal.kind) or self.configured.get(family) or {}
        context = {
            "requestId": request_id,
            "error.message": message,
            "error.messageString": json.dumps(message),
            "error.responseType": refusal.kind,
            **{f"authorizer.{name}": value for name, value in refusal.authorizer.items()},
        }
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": refusal.kind}
        for name, source in response.get("ResponseParameters", {}).get("Headers", {}).items():
            value = _header_value(str(source), context)
            if value is not None:
                headers[name] = value
        template = response.get("ResponseTemplates", {}).get(
            "application/json", '{"message":$context.error.messageString}'
        )
        body = _VARIABLE.sub(lambda match: context.get(match[1], ""), template)
        return Answer(status=int(response.get("StatusCode", own_status)), headers=headers, body=body)


def _header_value(source: str, context: Mapping[str, str]) -> str | None:
    if source.startswith("'") and source.endswith("'"):
        return source[1:-1]
    return context.get(source.removeprefix("context.")) if source.startswith("context.") else None
