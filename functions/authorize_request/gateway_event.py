"""From an API Gateway event to what the gate needs to know of a request.

One reader per kind of event, chosen in :func:`read_event`. Shapes: API Gateway Developer Guide, "Input to an API
Gateway Lambda authorizer", "Control access to HTTP APIs with AWS Lambda authorizers" (payload format version) and
"Control access to WebSocket APIs with AWS Lambda REQUEST authorizers".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from bonafide_tokens.gate.request import GatedRequest, Kind
from bonafide_tokens.gate.settings import GateSettings
from bonafide_tokens.origin_secret import HEADER as EDGE_HEADER
from bonafide_tokens.presented import PresentedRequest
from bonafide_tokens.routes import is_ambiguous

if TYPE_CHECKING:
    from bonafide_tokens.signatures.message import Message

_METHOD_ARN: Final = re.compile(
    r"(arn:[a-z0-9-]+:execute-api:[a-z0-9-]*:[0-9]*:[A-Za-z0-9*_-]+/[^/]+)/([A-Z]+|\*)(?:/(.*))?\Z", re.S
)
_CONNECT_ARN: Final = re.compile(r"(arn:[a-z0-9-]+:execute-api:[a-z0-9-]*:[0-9]*:[A-Za-z0-9*_-]+/[^/]+)/\$connect\Z")
_OWN_DOMAIN: Final = re.compile(r"[a-z0-9-]+\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?\Z")
CONNECT: Final = "/$connect"
"""The path by which routes name a WebSocket API's handshake, an HTTP GET: ``["GET", "/$connect", "proof"]``."""


class _Place(NamedTuple):
    """Where a request goes, as each kind of event says it in its own way; ``arns`` are the API's and the method's."""

    kind: Kind
    method: str
    path: str
    url: str
    route: str
    arns: tuple[str, str]
    other_paths: tuple[str, ...] = ()


class UnreadableEvent(Exception):
    """Not an authorizer event of a kind that we know: a wiring mistake, nothing that a client can cause."""


def read_event(event: object, *, settings: GateSettings, invocation_id: str) -> GatedRequest:
    """Read an authorizer event. ``invocation_id`` stands in where an event has no request id of its own.

    Raises :class:`UnreadableEvent`.
    """
    if not isinstance(event, dict):
        raise UnreadableEvent("not an authorizer event")
    kind = event.get("type")
    if kind == "TOKEN":
        return _rest_token(event, invocation_id)
    if kind != "REQUEST":
        raise UnreadableEvent("not an authorizer event of a known kind")
    place = _place(event, settings)
    tokens, proofs, pops, secrets = _header_values(event, settings)
    identity = event.get("identitySource")
    return GatedRequest(
        place.kind,
        PresentedRequest(place.method, place.url, tokens, proofs, pops, partial(_message, event, place)),
        place.path,
        _text(_object(event, "requestContext"), "requestId") or invocation_id,
        place.route,
        *place.arns,
        place.other_paths,
        identity if isinstance(identity, (str, list)) else None,
        secrets,
    )


def _message(event: Mapping[str, object], place: _Place) -> Message:
    """What a signature covers. Payload 2.0 alone has the query as the client sent it; all others have it decoded."""
    from bonafide_tokens.signatures.message import message_of  # here: few routes ask for a signature

    headers = _all_values(event, "multiValueHeaders", "headers")

    def field(name: str) -> list[object]:
        return [value for own, value in headers if own.lower() == name]

    if place.kind is Kind.HTTP_2:
        return message_of(place.method, place.url, query=_text(event, "rawQueryString"), field=field)
    pairs = _all_values(event, "multiValueQueryStringParameters", "queryStringParameters")
    decoded = [(name, value) for name, value in pairs if isinstance(value, str)]
    parameters = decoded if len(decoded) == len(pairs) else None
    return message_of(place.method, place.url, query=None, parameters=parameters, field=field)


def _all_values(event: Mapping[str, object], several: str, single: str) -> list[tuple[str, object]]:
    members = event.get(several) or event.get(single)
    if not isinstance(members, dict):
        return []
    return [
        (str(name), value)
        for name, values in members.items()
        for value in (values if isinstance(values, list) else (values,))
    ]


def _rest_token(event: Mapping[str, object], invocation_id: str) -> GatedRequest:
    api_arn, method, path, arn = _method_arn(event.get("methodArn"))
    token = event.get("authorizationToken")
    presented = PresentedRequest(method, "", [token] if isinstance(token, str) else [], None)
    return GatedRequest(Kind.REST_TOKEN, presented, path, invocation_id, "", api_arn, arn)


def _place(event: Mapping[str, object], settings: GateSettings) -> _Place:
    if event.get("version") == "2.0":
        return _http_2(event, settings)
    arn = event.get("methodArn")
    if isinstance(arn, str) and arn.endswith(CONNECT) and (connect := _CONNECT_ARN.match(arn)):
        return _websocket(event, settings, connect)
    return _rest_request(event, settings)


def _rest_request(event: Mapping[str, object], settings: GateSettings) -> _Place:
    # The ARN's path, not event["path"]: behind a custom domain the latter begins with the base path (and, where the
    # mapping names no stage, the stage), while routes are written for the API's own paths.
    api_arn, method, path, arn = _method_arn(event.get("methodArn"))
    # Payload 1.0 of HTTP APIs has the same shape, less multiValueHeaders, and more: its version and identity source.
    context = _object(event, "requestContext")
    kind = Kind.HTTP_1 if event.get("version") == "1.0" else Kind.REST_REQUEST
    full_path = _text(context, "path")
    if kind is Kind.HTTP_1 and _OWN_DOMAIN.match(_text(context, "domainName")):
        # AWS's sample of payload 1.0 has no stage in its path; on the API's own domain, every URL begins with it.
        stage = _text(context, "stage")
        full_path = path if stage == "$default" else f"/{stage}{path}"
    # What a backend resolves once more is event["path"]: the ARN's may have been cleaned up.
    raw = _text(event, "path")
    others = (raw,) if raw != path and is_ambiguous(raw) else ()
    url, route = _url(settings, context, path, full_path), _text(event, "resource")
    return _Place(kind, method, path, url, route, (api_arn, arn), others)


def _http_2(event: Mapping[str, object], settings: GateSettings) -> _Place:
    context = _object(event, "requestContext")
    method = _text(_object(context, "http"), "method")
    raw_path = _text(event, "rawPath")
    arn = event.get("routeArn")
    match = _METHOD_ARN.match(arn) if isinstance(arn, str) else None
    if not method or not raw_path:
        raise UnreadableEvent("the event has no method or no path")
    # rawPath begins with the stage (unless that is $default) or with a base path mapping; the ARN's path does not.
    # Where the two do not fit together, which of them the backend goes by is unknown: the strictest reading counts.
    arn_path = "/" + (match[3] or "") if match and match[2] == method else None
    path, *others = _readings(raw_path, arn_path, context)
    if raw_path != path and is_ambiguous(raw_path):
        others.append(raw_path)
    arns = (match[1], match[0]) if match else ("", "")
    url, route = _url(settings, context, path, raw_path), _text(event, "routeKey")
    return _Place(Kind.HTTP_2, method, path, url, route, arns, tuple(others))


def _readings(raw_path: str, arn_path: str | None, context: Mapping[str, object]) -> list[str]:
    stage = _text(context, "stage")
    if arn_path is not None and raw_path.endswith(arn_path):
        before = raw_path.removesuffix(arn_path)
        if before in ("", f"/{stage}") or not _OWN_DOMAIN.match(_text(context, "domainName")):
            return [arn_path]
    readings = [raw_path]
    if stage not in ("", "$default") and (raw_path + "/").startswith(f"/{stage}/"):
        readings.append(raw_path[len(stage) + 1 :] or "/")
    if arn_path is not None:
        readings.append(arn_path)
    return readings


def _websocket(event: Mapping[str, object], settings: GateSettings, arn: re.Match[str]) -> _Place:
    # The handshake is an HTTP GET (RFC 6455 §4.1) of the stage, or of whatever a custom domain maps to it, which the
    # event does not say: there, EXTERNAL_ORIGIN is the whole URL that clients connect to, with https for wss.
    context = _object(event, "requestContext")
    domain, stage = _text(context, "domainName"), _text(context, "stage")
    own = f"https://{domain}/{stage}" if stage and _OWN_DOMAIN.match(domain) else ""
    url, route = settings.external_origin or own, _text(context, "routeKey")
    return _Place(Kind.WEBSOCKET, "GET", CONNECT, url, route, (arn[1], arn[0]))


def _method_arn(arn: object) -> tuple[str, str, str, str]:
    match = _METHOD_ARN.match(arn) if isinstance(arn, str) else None
    if match is None:
        raise UnreadableEvent("the event has no method ARN")
    return match[1], match[2], "/" + (match[3] or ""), match[0]


def _header_values(event: Mapping[str, object], settings: GateSettings) -> tuple[list[str], ...]:
    """All values of the token's, the proof's, the PoP's and the edge's header, whatever the case of its name.

    ``multiValueHeaders`` has every value of a repeated header, ``headers`` only the last (REST, WebSocket) or all of
    them joined by commas (HTTP APIs); a client may also spell one name in two ways to get two values past code that
    looks up a single spelling.
    """
    first, second, third = settings.token_header, settings.proof_header, settings.pop_header
    found: dict[str, list[str]] = {first: [], second: [], third: [], EDGE_HEADER: []}
    lengths = [len(name) for name in found]  # most headers are told apart by that alone
    headers = event.get("multiValueHeaders") or event.get("headers")
    if isinstance(headers, dict):
        for name, values in headers.items():
            if len(name) in lengths and (known := found.get(name.lower())) is not None:
                known.extend(values if isinstance(values, list) else (values,))
    return found[first], found[second], found[third] if third else [], found[EDGE_HEADER]


def _url(settings: GateSettings, context: Mapping[str, object], path: str, full_path: str) -> str:
    # Never the Host or X-Forwarded-* headers: a client writes those itself.
    if settings.external_origin:
        return settings.external_origin + path
    domain = _text(context, "domainName")
    return f"https://{domain}{full_path}" if domain and full_path else ""


def _object(members: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _text(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""
