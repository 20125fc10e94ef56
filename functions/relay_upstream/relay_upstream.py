"""``/{upstream}/…``: calls another party's API for a genuine app, with a key that the app never sees.

Its answers stream: :func:`handler` is run by :mod:`runtime_loop` instead of the managed runtime's own loop, and hands
the status and headers over before the body has come.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from time import time as clock
from typing import Any, Final

from bonafide_tokens.errors import BonafideError, Rejected
from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.origin_secret import HEADER as EDGE_HEADER
from bonafide_tokens.origin_secret import came_through_edge
from relay_log import log_failure, log_relay
from runtime_loop import StreamedAnswer
from service.aws import dynamodb, secrets_manager
from service.edge.problems import MALFORMED_REQUEST, TRY_LATER, Problem, Retry, problem_of
from service.edge.retry_after import retry_after
from service.errors import Unavailable
from service.relay.budgets import DynamoDBBudgets
from service.relay.credentials import SecretsManagerCredentials
from service.relay.fetched_bundle import FetchedTrustBundle
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.relay import Relay, RelayCall
from service.relay.relay_settings import LAPTOP, RelayUpstreamSettings
from service.relay.upstreams import MOST_REQUEST_BYTES, read_upstreams
from service.settings import read_settings
from service.tables.spent_proofs import DynamoDBSpentProofs

_SECONDS_FOR_ANSWER: Final = 2.0


class UnreadableEvent(Exception):
    """Not a REST proxy event that can be answered. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the function works with."""

    relay: Relay
    settings: RelayUpstreamSettings


def wire(env: Mapping[str, str]) -> Proxy:
    """The collaborators, from the environment."""
    settings = read_settings(RelayUpstreamSettings, env)
    relay = Relay(
        upstreams=read_upstreams(settings.upstreams, loopback=settings.stage == LAPTOP),
        trust_bundle=FetchedTrustBundle(settings.trust_bundle_url, settings.root_public_key, settings.token_issuer),
        spent_proofs=DynamoDBSpentProofs(dynamodb(), settings.nonces_table),
        budgets=DynamoDBBudgets(dynamodb(), settings.budgets_table),
        credentials=SecretsManagerCredentials(secrets_manager(), settings.secret_prefix),
        token_header=settings.token_header,
        proof_header=settings.proof_header,
        note=log_relay,
    )
    return Proxy(relay, settings)


@cache
def _proxy() -> Proxy:
    return wire(os.environ)


def handler(event: Any, context: Any) -> StreamedAnswer:
    """Answer a REST proxy event, whatever it is and whatever breaks."""
    request_id = ""
    try:
        request_id = str(_member(event, "requestContext", "requestId") or getattr(context, "aws_request_id", ""))[:128]
        seconds = context.get_remaining_time_in_millis() / 1000 - _SECONDS_FOR_ANSWER
        proxy = _proxy()
        call = _call(event, proxy.settings, request_id)
        answer = proxy.relay.answer(call, now=clock(), seconds=seconds)
        return StreamedAnswer(answer.status, answer.headers, answer.pieces)
    except Exception as error:
        return _refusal(error, request_id)


def _refusal(error: Exception, request_id: str) -> StreamedAnswer:
    wait: str | None = None
    match error:
        case RelayRefused():
            problem = error.reason.problem
            wait = None if error.retry_after is None else str(error.retry_after)
        case BonafideError():
            problem = problem_of(error.reason)
        case UnreadableEvent():
            problem = MALFORMED_REQUEST
        case Unavailable():
            problem = TRY_LATER
        case _:
            problem = TRY_LATER
            log_failure(error, request_id)
    return _problem(problem, request_id, wait)


def _problem(problem: Problem, request_id: str, wait: str | None) -> StreamedAnswer:
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if problem.retry is Retry.LATER:
        headers["retry-after"] = wait or retry_after()
    body = json.dumps(problem.document(instance=request_id, support_code="")).encode()
    return StreamedAnswer(problem.status, headers, iter((body,)))


def _call(event: Any, settings: RelayUpstreamSettings, request_id: str) -> RelayCall:
    members = event.get("pathParameters") if isinstance(event, Mapping) else None
    if not isinstance(members, Mapping):
        raise UnreadableEvent("no path")
    upstream, rest = _text(members.get("upstream")), _text(members.get("proxy"))
    headers = {name.lower(): values for name, values in _several(event.get("multiValueHeaders"))}
    hashes = settings.origin_secret_hashes
    if hashes and not came_through_edge(headers.get(EDGE_HEADER, ()), hashes):
        raise Rejected(TokenReason.ORIGIN_SECRET, "not through the edge, or by an old secret")
    # Never the Host or X-Forwarded-* headers: a client writes those itself.
    domain, path = (_text(_member(event, "requestContext", name)) for name in ("domainName", "path"))
    own = f"{settings.external_origin}/{upstream}/{rest}" if settings.external_origin else f"https://{domain}{path}"
    return RelayCall(
        method=_text(event.get("httpMethod")),
        url=own,
        upstream=upstream,
        path="/" + rest,
        query=[(n, value) for n, values in _several(event.get("multiValueQueryStringParameters")) for value in values],
        headers=headers,
        body=_body(event),
        request_id=request_id,
    )


def _member(event: Any, *names: str) -> object:
    for name in names:
        event = event.get(name) if isinstance(event, Mapping) else None
    return event


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _several(members: object) -> Iterator[tuple[str, list[str]]]:
    """Names with every value. Two spellings of one name come as two, of which the later one would count: refused."""
    if members is None:
        return
    if not isinstance(members, Mapping) or len({str(name).lower() for name in members}) < len(members):
        raise UnreadableEvent("members that are none, or a name in two spellings")
    for name, values in members.items():
        if not isinstance(values, list):
            raise UnreadableEvent("a member without a list of values")
        yield str(name), [str(value) for value in values]


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body")
    if text is None:
        return b""
    if not isinstance(text, str):
        raise UnreadableEvent("the body is not text")
    encoded = bool(event.get("isBase64Encoded"))
    if len(text) > (MOST_REQUEST_BYTES * 4 // 3 + 4 if encoded else MOST_REQUEST_BYTES):
        raise RelayRefused(RelayReason.BODY_TOO_LARGE, "more than a function takes")
    try:
        return base64.b64decode(text, validate=True) if encoded else text.encode()
    except (binascii.Error, ValueError):
        raise UnreadableEvent("the body's encoding is broken") from None


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"):
    _proxy()  # at INIT, where processor time is free and a wrong setting ends the process
