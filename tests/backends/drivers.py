"""One call, made at each backend as its server would: ASGI scopes, WSGI environments, an authorizer's event."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from bonafide_tokens.backends.asgi import GuardedASGI
from bonafide_tokens.backends.guard import Guard, SignedBody
from bonafide_tokens.backends.lambda_edge import at_origin_request
from bonafide_tokens.backends.wsgi import GuardedWSGI

from tests.architecture.source_tree import ROOT
from tests.unit.gate.stand import Call, Stand

FRAMEWORKS: Final = ROOT / ".local/packages/backends"
"""Where `make backends` puts the frameworks; without it only the backends without a framework are tried."""
ORIGIN: Final = "https://abcdef123.execute-api.eu-central-1.amazonaws.com/prod"
MOST_SHOWN: Final = 1 << 20
"""Bytes of a body that CloudFront shows to the function of an origin request."""
CALLER: Final = ("request_class", "app", "platform", "key_id", "tier", "app_build")


class Answered(NamedTuple):
    """What came back, and the caller that the application behind it saw, if it was reached."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    caller: Any = None
    read: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        """The body as the problem that it is."""
        found: dict[str, Any] = json.loads(self.body)
        return found


Send = Callable[[Guard, Call, bytes], Answered]


def use_frameworks() -> bool:
    """Make the frameworks importable, if they are here."""
    if FRAMEWORKS.is_dir() and str(FRAMEWORKS) not in sys.path:
        sys.path.append(str(FRAMEWORKS))
    return FRAMEWORKS.is_dir()


def guard_of(stand: Stand, *, signed_body: SignedBody = SignedBody.CHECK, spent: Any = None) -> Guard:
    """A guard with a stand's settings and bundle, reached under the address that the stand's calls are for."""
    settings = stand.settings._replace(external_origin=ORIGIN)
    return Guard(settings, spent=spent, signed_body=signed_body, keeper=stand.gate.keeper)


def headers_of(call: Call) -> list[tuple[str, str]]:
    """The headers as a client sends them, repeated ones as often as they come."""
    return [(name, value) for name, values in call.event()["multiValueHeaders"].items() for value in values]


def run(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: this one may be another test's, with a loop that runs (Playwright's)."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def at_asgi(guard: Guard, call: Call, body: bytes = b"") -> Answered:
    """Through the middleware, before an application that reads its body and answers."""
    seen: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen["caller"] = scope.get("bonafide")
        seen["read"] = (await receive()).get("body", b"")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    answer = through_asgi(GuardedASGI(application, guard), call, body)
    return answer._replace(caller=seen.get("caller"), read=seen.get("read", b""))


def through_asgi(application: Any, call: Call, body: bytes = b"") -> Answered:
    """What an ASGI application answers."""
    raw = call.path.encode("utf-8", "surrogatepass")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "https",
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": raw,
        "query_string": call.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers_of(call)],
        "client": ("192.0.2.1", 5),
        "server": ("127.0.0.1", 80),
    }
    waiting = [body[: len(body) // 2], body[len(body) // 2 :]]
    sent: list[Any] = []

    async def receive() -> Any:
        if not waiting:
            return {"type": "http.disconnect"}
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    run(application(scope, receive, send))
    start = next(message for message in sent if message["type"] == "http.response.start")
    said = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answered(start["status"], {k.decode().lower(): v.decode() for k, v in start["headers"]}, said)


def at_wsgi(guard: Guard, call: Call, body: bytes = b"") -> Answered:
    """Through the middleware, before an application that reads its body and answers."""
    seen: dict[str, Any] = {}

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen["caller"], seen["read"] = (
            environ.get("bonafide"),
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])),
        )
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"{}"]

    answer = through_wsgi(GuardedWSGI(application, guard), call, body)
    return answer._replace(caller=seen.get("caller"), read=seen.get("read", b""))


def through_wsgi(application: Any, call: Call, body: bytes = b"") -> Answered:
    """What a WSGI application answers. Servers join repeated headers with commas."""
    raw = call.path.encode("utf-8", "surrogatepass")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw).decode("latin-1"),
        "QUERY_STRING": call.query,
        "REQUEST_URI": f"{call.path}?{call.query}" if call.query else call.path,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers_of(call):
        member = "HTTP_" + name.upper().replace("-", "_")
        environ[member] = f"{environ[member]},{value}" if member in environ else value
    started: list[Any] = []
    pieces = application(environ, lambda status, headers, *_more: started.append((status, headers)))
    said = b"".join(pieces)
    if hasattr(pieces, "close"):
        pieces.close()
    status, headers = started[-1]
    return Answered(int(status.split()[0]), {name.lower(): value for name, value in headers}, said)


def edge_event(call: Call, body: bytes = b"", query: str = "") -> dict[str, Any]:
    """CloudFront's origin request, as its developer guide shows it."""
    headers: dict[str, list[dict[str, str]]] = {}
    for name, value in headers_of(call):
        headers.setdefault(name.lower(), []).append({"key": name, "value": value})
    data = base64.b64encode(body[:MOST_SHOWN]).decode()
    config = {
        "distributionDomainName": "d111111abcdef8.cloudfront.net",
        "distributionId": "EDFDVBD6EXAMPLE",
        "eventType": "origin-request",
        "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
    }
    request = {
        "clientIp": "203.0.113.178",
        "headers": headers,
        "method": call.method,
        "origin": {
            "custom": {
                "customHeaders": {},
                "domainName": "example.org",
                "keepaliveTimeout": 5,
                "path": "/prod",
                "port": 443,
                "protocol": "https",
                "readTimeout": 30,
                "sslProtocols": ["TLSv1.2"],
            }
        },
        "querystring": query,
        "uri": call.path,
        "body": {
            "inputTruncated": len(body) > MOST_SHOWN,
            "action": "read-only",
            "encoding": "base64",
            "data": data,
        },
    }
    return {"Records": [{"cf": {"config": config, "request": request}}]}


def at_edge(guard: Guard, call: Call, body: bytes = b"", query: str = "") -> Answered:
    """At Lambda@Edge; ``caller`` are the facts that the origin gets."""
    answer = at_origin_request(guard, edge_event(call, body, query))
    if "status" not in answer:
        return Answered(200, {}, b"{}", {name: one[0]["value"] for name, one in answer["headers"].items()}, body)
    headers = {name: one[0]["value"] for name, one in answer["headers"].items()}
    return Answered(int(answer["status"]), headers, answer.get("body", "").encode())


def at_authorizer(stand: Stand, call: Call) -> tuple[bool, dict[str, Any]]:
    """Whether a REST API's authorizer lets the call pass, and its context."""
    answer = stand.call(call)
    allowed = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    return allowed, answer["context"]
