"""The local front: stacks/edge.yaml on 127.0.0.1, so that country rules, caching and the filter can be tried.

A request says whom it stands for in a header that no real edge knows, ``Bonafide-Local-Viewer``: an address, a country
and the number of a network, as in ``198.51.100.7 DE 64496``. From there on everything is as CloudFront documents it.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from bonafide.operator.layout import LOOPBACK
from devkit.edge.cache import Answer, Cache
from devkit.edge.distribution import Behaviour, Distribution, Origin
from devkit.edge.web_acl import Seen, WebAcl

VIEWER: Final = "bonafide-local-viewer"
_CACHED_METHODS: Final = frozenset({"GET", "HEAD"})
_FAILOVER_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = "cloudfront-"
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "trailer", "transfer-encoding", "upgrade", "expect"}
)
_SET_ANEW: Final = _HOP_BY_HOP | {"host", "content-length", "x-forwarded-for", "via", "accept-encoding", VIEWER}
_OF_THE_SERVER: Final = frozenset({"content-length", "date", "server"})
_LARGEST_BODY: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whom a request stands for."""

    address: str = LOOPBACK
    country: str = ""
    network: str = ""

    @classmethod
    def read(cls, text: str) -> Viewer:
        """From ``Bonafide-Local-Viewer``; what is missing is unknown, as for an address in no database."""
        return cls(*text.split()[:3]) if text.strip() else cls()


@dataclass(frozen=True, slots=True)
class Request:
    """A viewer's request; header names in small letters, repeated ones joined by commas."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    viewer: Viewer


@dataclass(slots=True)
class Front:
    """One edge location. ``origin_down`` names origins that answer no more, for drills."""

    distribution: Distribution
    web_acl: WebAcl
    clock: Callable[[], float] = time.monotonic
    origin_down: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    """How often each origin was asked, by its id."""
    cache: Cache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = Cache(lambda: self.clock())

    def answer(self, request: Request) -> Answer:
        """What the viewer gets."""
        who = request.viewer
        blocked = self.web_acl.judge(Seen(who.address, who.network, request.path, request.query, len(request.body)))
        if blocked is not None:
            kind = "application/json" if blocked.body else "text/html"
            headers = {**blocked.headers, "content-type": kind, "x-cache": "Error from cloudfront"}
            return Answer(
                blocked.status, {name.lower(): value for name, value in headers.items()}, blocked.body.encode()
            )
        behaviour = self.distribution.of(request.path)
        if request.method not in behaviour.methods:
            return Answer(403, {"content-type": "text/html", "x-cache": "Error from cloudfront"}, b"")
        if request.method in _CACHED_METHODS and behaviour.cache.maximum > 0:
            key = f"{request.method} {request.path}?{self._query(request, behaviour)}"
            answer, seen = self.cache.get(key, behaviour.cache, lambda etag: self._fetch(request, behaviour, etag))
        else:
            answer = self._fetch(request, behaviour, None)
            seen = "Miss from cloudfront" if answer.status < 400 else "Error from cloudfront"
        return self._finished(request, behaviour, answer, seen)

    @staticmethod
    def _query(request: Request, behaviour: Behaviour) -> str:
        members = parse_qsl(request.query, keep_blank_values=True)
        return urlencode([(name, value) for name, value in members if name in behaviour.cache.query])

    def _fetch(self, request: Request, behaviour: Behaviour, etag: str | None) -> Answer:
        answer = Answer(502, {}, b"")
        for origin in behaviour.origins:
            answer = self._ask(origin, request, behaviour, etag)
            if answer.status not in behaviour.failover or request.method not in _FAILOVER_METHODS:
                break
        return answer

    def _ask(self, origin: Origin, request: Request, behaviour: Behaviour, etag: str | None) -> Answer:
        self.asked[origin.id] += 1
        if origin.id in self.origin_down:
            return Answer(502, {"content-type": "text/html"}, b"")
        place = urlsplit(origin.url)
        query = self._query(request, behaviour) if behaviour.cache.maximum > 0 or origin.is_bucket else request.query
        target = f"{place.path}{request.path}" + (f"?{query}" if query and not origin.is_bucket else "")
        connection = HTTPConnection(place.hostname or LOOPBACK, place.port, timeout=origin.connect_seconds)
        try:
            connection.connect()
            connection.sock.settimeout(origin.answer_seconds)
            headers = self._sent(origin, request, behaviour, etag)
            connection.request(request.method, target, body=request.body or None, headers=headers)
            got = connection.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        except TimeoutError:
            return Answer(504, {"content-type": "text/html"}, b"")
        except (OSError, HTTPException):
            return Answer(502, {"content-type": "text/html"}, b"")
        finally:
            connection.close()

    def _sent(self, origin: Origin, request: Request, behaviour: Behaviour, etag: str | None) -> dict[str, str]:
        forwarded, viewer = behaviour.forwarded, request.viewer
        sent = {
            name: value
            for name, value in request.headers.items()
            if name not in _SET_ANEW
            and not name.startswith(_OWN)  # only the edge sets them; the guarded API's function strips them, too
            and (forwarded is None or name in forwarded)
        }
        known = {"cloudfront-viewer-country": viewer.country, "cloudfront-viewer-asn": viewer.network}
        sent |= {name: value for name, value in known.items() if value and name in (forwarded or ())}
        before = request.headers.get("x-forwarded-for", "")
        sent["x-forwarded-for"] = f"{before}, {viewer.address}" if before else viewer.address
        sent.setdefault("user-agent", "Amazon CloudFront")
        sent |= {"via": "1.1 local.cloudfront.net (CloudFront)", "x-amz-cf-id": uuid.uuid4().hex}
        if etag is not None:
            sent["if-none-match"] = etag
        own = {name.lower() for name in origin.headers}
        return {name: value for name, value in sent.items() if name not in own} | dict(origin.headers)

    @staticmethod
    def _finished(request: Request, behaviour: Behaviour, answer: Answer, seen: str) -> Answer:
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in behaviour.removed and name not in _HOP_BY_HOP and name not in _OF_THE_SERVER
        }
        headers |= {name.lower(): value for name, value in behaviour.added}
        headers |= {"x-cache": seen, "via": "1.1 local.cloudfront.net (CloudFront)"}
        etag = headers.get("etag")
        if answer.status == 200 and etag and request.headers.get("if-none-match") == etag:
            return Answer(304, headers, b"")
        return Answer(answer.status, headers, b"" if request.method == "HEAD" else answer.body)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: what an edge must not keep is not kept here either."""


def application(front: Front) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
    """The front as a WSGI application."""

    def serve(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environment.get("CONTENT_LENGTH") or 0)
        body = environment["wsgi.input"].read(min(length, _LARGEST_BODY)) if length else b""
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environment.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        }
        target = urlsplit(str(environment["REQUEST_URI"]))
        viewer = Viewer.read(headers.pop(VIEWER, ""))
        answer = front.answer(
            Request(str(environment["REQUEST_METHOD"]), target.path, target.query, headers, body, viewer)
        )
        listed = [(name, value) for name, value in answer.headers.items()]
        start(
            f"{answer.status} {_PHRASES.get(answer.status, 'Answer')}",
            [*listed, ("content-length", str(len(answer.body)))],
        )
        return [answer.body]

    return serve


_PHRASES: Final = {200: "OK", 201: "Created", 304: "Not Modified", 429: "Too Many Requests"}


@dataclass(slots=True)
class FrontServer:
    """A front on a port of the loopback, in threads of this process, until :meth:`stop`."""

    front: Front
    port: int
    _server: ThreadedWSGIServer | None = field(default=None, init=False)

    def start(self) -> None:
        """Serve. ``port`` 0 takes a free one, and says which."""
        self._server = ThreadedWSGIServer(LOOPBACK, self.port, application(self.front), handler=_Handler)
        self._server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.socket.listen(512)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="edge", daemon=True).start()

    def stop(self) -> None:
        """End it. May be called more than once."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        """Its origin, as clients see it."""
        return f"http://{LOOPBACK}:{self.port}"
