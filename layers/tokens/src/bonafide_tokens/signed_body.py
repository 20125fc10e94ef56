"""Body binding: the backend's own check that the body it received is the one that the app signed.

An authorizer never sees a body. An app that wants its body bound puts the digest into the proof (claim
``content-digest``, spelled as RFC 9530 §2); the authorizer checks the proof and hands the digest on in its context;
and the backend's function, which alone has the body, compares::

    @requires_signed_body
    def handler(event, context): ...

Works on Lambda proxy events of REST APIs and of HTTP APIs, payload 1.0 and 2.0. The standard library is enough: a
backend needs this module and no cryptography package. API Gateway must hand the body on as it came: a REST API
decodes bodies as UTF-8 unless their media type is listed as binary, so list those that are not text.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import sha256
from json import dumps
from typing import Any, Final

from bonafide_tokens.refusals import request_code

CONTEXT_MEMBER: Final = "content_digest"
"""Where the authorizer's context has the digest that was signed."""

_CHALLENGE: Final = 'DPoP error="invalid_dpop_proof", error_description="{}", action="sign", algs="ES256"'
_MISSING: Final = "This route needs a proof that signs the body."
_DIFFERENT: Final = "The body is not the one that was signed."

Event = Mapping[str, Any]
Handler = Callable[..., Any]


def content_digest(body: bytes) -> str:
    """The body's digest as the proof's ``content-digest`` claim has it: ``sha-256=:…:`` (RFC 9530 §2 and §5)."""
    return f"sha-256=:{b64encode(sha256(body).digest()).decode('ascii')}:"


def requires_signed_body(handler: Handler) -> Handler:
    """Decorates a Lambda handler: it is called only when the request's body is the one that the proof signed.

    Missing, also where the body is empty, or different: 401 with a problem (RFC 9457), and the handler is not called.
    The reason is a line on standard output, under the support code that the problem has.
    """

    @wraps(handler)
    def checked(event: Event, *arguments: Any, **named: Any) -> Any:
        title = unsigned_body(event)
        if title is None:
            return handler(event, *arguments, **named)
        _log(event, title)
        return _refusal(event, title)

    return checked


def unsigned_body(event: Event) -> str | None:
    """What is wrong with the body of this event, as a sentence for the client; ``None`` when it is the signed one."""
    signed = _authorizer(event).get(CONTEXT_MEMBER)
    if not isinstance(signed, str) or not signed:
        return _MISSING
    body = _body(event)
    if body is None or not hmac.compare_digest(content_digest(body).encode(), signed.encode("utf-8", "replace")):
        return _DIFFERENT
    return None


def _authorizer(event: Event) -> Mapping[str, Any]:
    """The authorizer's context: flat for REST APIs and payload 1.0, under ``lambda`` for payload 2.0."""
    context = (event.get("requestContext") or {}).get("authorizer") or {}
    nested = context.get("lambda")
    return nested if isinstance(nested, dict) else context


def _body(event: Event) -> bytes | None:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return None
    try:
        return b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _log(event: Event, title: str) -> None:
    """A line as the authorizer writes them: this decorator is the edge of a backend, and no other part of the library
    writes anything. Neither body nor digest is in it; logging never fails a request."""
    context, request = _authorizer(event), event.get("requestContext") or {}
    request_id = str(request.get("requestId", ""))
    line = {
        "level": "INFO",
        "message": "decision",
        "action": "body",
        "outcome": "refused",
        "reason": "proof-body",
        "detail": title,
        "support_code": request_code(request_id),
        "request_id": request_id[:128],
        "route": str(request.get("routeKey") or request.get("resourcePath") or "")[:256],
        **{name: str(context.get(name, ""))[:256] for name in ("app", "platform", "key_id", "app_build")},
    }
    try:
        # In one piece: another thread's line must not come between a line and its end.
        print(f"{dumps(line)}\n", end="", flush=True)
    except (OSError, ValueError, AttributeError):
        pass


def _refusal(event: Event, title: str) -> dict[str, Any]:
    request = event.get("requestContext") or {}
    problem = {
        "type": "/problems/invalid_dpop_proof",
        "title": title,
        "status": 401,
        "instance": str(request.get("requestId", "")),
        "retry": "now",
        "action": "sign",
        "support_code": request_code(str(request.get("requestId", ""))),
    }
    return {
        "statusCode": 401,
        "headers": {
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "WWW-Authenticate": _CHALLENGE.format(title),
            "Access-Control-Expose-Headers": "WWW-Authenticate",
        },
        "body": dumps(problem),
        "isBase64Encoded": False,
    }
