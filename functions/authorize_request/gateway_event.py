"""From an API Gateway event to what the gate needs to know of a request.

One reader per kind of event, chosen in :func:`read_event`; a further kind (HTTP API, WebSocket) is one more reader
here and one more writer in ``gateway_answer``. Shapes: API Gateway Developer Guide, "Input to an API Gateway Lambda
authorizer".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum, unique
from typing import Final, NamedTuple

from authorizer_settings import AuthorizerSettings

_METHOD_ARN: Final = re.compile(
    r"(arn:[a-z0-9-]+:execute-api:[a-z0-9-]*:[0-9]*:[A-Za-z0-9*_-]+/[^/]+)/([A-Z]+|\*)(?:/(.*))?\Z", re.S
)


@unique
class Kind(StrEnum):
    """The kinds of event that are understood."""

    REST_TOKEN = "rest-token"
    REST_REQUEST = "rest-request"


class GatewayRequest(NamedTuple):
    """One request as the gate sees it.

    ``path`` is the API's own path, as routes are written: no stage, no base path of a custom domain. ``url`` is the
    URL as the client called it, without query; empty when unknown. ``tokens`` and ``proofs`` are the values of those
    headers, all of them, as the event has them; ``proofs`` is ``None`` where the event cannot carry a proof. ``route``
    is the gateway's own name of the route, for the log; ``api_arn`` and ``method_arn`` are what policies are written
    for.
    """

    kind: Kind
    method: str
    path: str
    url: str
    tokens: list[str]
    proofs: list[str] | None
    request_id: str
    route: str
    api_arn: str
    method_arn: str


class UnreadableEvent(Exception):
    """Not an authorizer event of a kind that we know: a wiring mistake, nothing that a client can cause."""


def read_event(event: object, *, settings: AuthorizerSettings, invocation_id: str) -> GatewayRequest:
    """Read an authorizer event. ``invocation_id`` stands in where an event has no request id of its own.

    Raises :class:`UnreadableEvent`.
    """
    kind = event.get("type") if isinstance(event, dict) else None
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise UnreadableEvent("not an authorizer event of a known kind")
    return reader(event, settings, invocation_id)  # type: ignore[arg-type]


def _rest_token(event: Mapping[str, object], _: AuthorizerSettings, invocation_id: str) -> GatewayRequest:
    api_arn, method, path, arn = _method_arn(event.get("methodArn"))
    token = event.get("authorizationToken")
    return GatewayRequest(
        kind=Kind.REST_TOKEN,
        method=method,
        path=path,
        url="",
        tokens=[token] if isinstance(token, str) else [],
        proofs=None,
        request_id=invocation_id,
        route="",
        api_arn=api_arn,
        method_arn=arn,
    )


def _rest_request(event: Mapping[str, object], settings: AuthorizerSettings, invocation_id: str) -> GatewayRequest:
    # The ARN's path, not event["path"]: behind a custom domain the latter begins with the base path (and, where the
    # mapping names no stage, the stage), while routes are written for the API's own paths.
    api_arn, method, path, arn = _method_arn(event.get("methodArn"))
    context = event.get("requestContext")
    if not isinstance(context, dict):
        context = {}
    tokens, proofs = _header_values(event, settings.token_header, settings.proof_header)
    return GatewayRequest(
        kind=Kind.REST_REQUEST,
        method=method,
        path=path,
        url=_url(settings, context, path),
        tokens=tokens,
        proofs=proofs,
        request_id=_text(context, "requestId") or invocation_id,
        route=_text(event, "resource"),
        api_arn=api_arn,
        method_arn=arn,
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, object], AuthorizerSettings, str], GatewayRequest]]] = {
    "TOKEN": _rest_token,
    "REQUEST": _rest_request,
}


def _method_arn(arn: object) -> tuple[str, str, str, str]:
    match = _METHOD_ARN.match(arn) if isinstance(arn, str) else None
    if match is None:
        raise UnreadableEvent("the event has no method ARN")
    return match[1], match[2], "/" + (match[3] or ""), match[0]


def _header_values(event: Mapping[str, object], first: str, second: str) -> tuple[list[str], list[str]]:
    """All values of each header, whatever the case of its name.

    ``multiValueHeaders`` has every value of a repeated header, ``headers`` only the last; a client may also spell
    one name in two ways to get two values past whoever looks up a single spelling.
    """
    found: tuple[list[str], list[str]] = ([], [])
    lengths = (len(first), len(second))  # most headers are told apart by that alone
    headers = event.get("multiValueHeaders") or event.get("headers")
    if isinstance(headers, dict):
        for name, values in headers.items():
            if len(name) in lengths and (lower := name.lower()) in (first, second):
                found[lower == second].extend(values if isinstance(values, list) else (values,))
    return found


def _url(settings: AuthorizerSettings, context: Mapping[str, object], path: str) -> str:
    if settings.external_origin:
        return settings.external_origin + path
    domain, full_path = _text(context, "domainName"), _text(context, "path")
    return f"https://{domain}{full_path}" if domain and full_path else ""


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
