"""Lambda@Edge: an origin request of CloudFront's, decided by a guard.

What passes goes on to the origin as it came, with the facts about its caller as headers and without the client's copies
of them; what does not is answered here. Shapes: Amazon CloudFront Developer Guide, "Lambda@Edge event structure",
"Generate HTTP responses in request triggers" and "Restrictions on edge functions". Such a function runs on cache misses
only: guarded behaviours must have caching disabled.
"""

from __future__ import annotations

import binascii
import logging
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from json import dumps
from typing import Any, Final
from uuid import uuid4

from bonafide_tokens.backends.facts import facts_of, is_fact
from bonafide_tokens.backends.guard import LOGGER, MOST_BODY_BYTES, Answer, BackendRequest, Guard, unavailable
from bonafide_tokens.gate.settings import SettingsError

_ELSEWHERE: Final = {
    "PROOF_NONCES_TABLE": "the edge spends no proofs in a table, and routes that ask for proof-once are refused",
    "AUTHORIZER_CACHE_SECONDS": "nothing caches what is answered at the edge",
    "ORIGIN_SECRET_HASHES": "it is the edge that adds the secret",
    "SIDE_BY_SIDE": "a package at the edge must hold no secret of another product",
}
Event = Mapping[str, Any]


def edge_guard(settings: Mapping[str, str]) -> Guard:
    """The guard by these settings, which are the environment variables of other guards. Raises
    :class:`SettingsError`, also for those that cannot hold at the edge."""
    for name, why in _ELSEWHERE.items():
        if settings.get(name):
            raise SettingsError(f"{name} must not be set: {why}")
    return Guard.from_environment(settings)


def at_origin_request(guard: Guard, event: Event) -> dict[str, Any]:
    """What CloudFront is to do: the request, which goes on to the origin, or the response that is given instead.
    Refuses whatever is no origin request: a mistake in the distribution, which no client can cause."""
    try:
        request, asked = _read(event)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        request_id, kind = uuid4().hex, type(error).__name__
        line = {"message": "unreadable event", "error_type": kind, "request_id": request_id}
        logging.getLogger(LOGGER).log(logging.ERROR, "%s", dumps(line))
        return _response(unavailable(request_id), "GET")
    answer = guard.check(asked)
    if answer.body_needed:
        answer = guard.check_body(answer, _body(request), asked.request_id)
    if answer.caller is None:
        return _response(answer, asked.method)
    kept = {name: listed for name, listed in request["headers"].items() if not is_fact(name)}
    facts = {name.lower(): [{"key": name, "value": value}] for name, value in facts_of(answer.caller) if value}
    return {**request, "headers": {**kept, **facts}}


def _read(event: Event) -> tuple[dict[str, Any], BackendRequest]:
    """The request as it came, and as a guard takes it. Raises what reading anything else raises."""
    cloudfront = event["Records"][0]["cf"]
    config, request = cloudfront["config"], cloudfront["request"]
    values = [(name, one["value"]) for name, listed in request["headers"].items() for one in listed]
    method, uri, query = request["method"], request["uri"], request["querystring"]
    texts = (method, uri, query, *(value for _name, value in values))
    if config["eventType"] != "origin-request" or not all(isinstance(text, str) for text in texts):
        raise TypeError("no origin request")
    return request, BackendRequest(method, uri, uri, values, str(config.get("requestId") or uuid4().hex), query)


def _body(request: Mapping[str, Any]) -> bytes | None:
    """The body, ``None`` where it is longer than CloudFront shows, or unreadable. Where the distribution shows none, it
    counts as empty: a proof that signs another is refused."""
    body = request.get("body")
    if not isinstance(body, dict):
        return b""
    data = body.get("data") or ""
    if body.get("inputTruncated") or not isinstance(data, str):
        return None
    try:
        whole = b64decode(data, validate=True) if body.get("encoding") == "base64" else data.encode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return whole if len(whole) <= MOST_BODY_BYTES else None


def _response(answer: Answer, method: str) -> dict[str, Any]:
    """A generated response. CloudFront counts the length itself, and takes no Content-Length."""
    headers = {name.lower(): [{"key": name, "value": value}] for name, value in answer.headers}
    body = {} if method == "HEAD" else {"body": answer.body.decode("ascii"), "bodyEncoding": "text"}
    status = HTTPStatus(answer.status)
    return {"status": str(status.value), "statusDescription": status.phrase, "headers": headers, **body}
