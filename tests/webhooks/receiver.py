"""A receiver of webhooks on 127.0.0.1: it checks what it gets, and takes each event once, by its id."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.webhooks.judges import Judge


@dataclass(frozen=True)
class Attempt:
    """What a receiver was sent."""

    event: str
    timestamp: str
    signature: str
    verdict: str


@dataclass
class Receiver:
    """``clock`` is the receiver's own, ``secret`` what it checks with. ``is_down``: it ends every connection unread.
    ``loses``: it does its work and its answer is lost. ``answer`` is a status for everything, instead of what it finds;
    ``headers`` go with each answer."""

    judge: Judge
    clock: Callable[[], float]
    secret: str = ""
    is_down: Callable[[], bool] = lambda: False
    loses: Callable[[], bool] = lambda: False
    answer: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    attempts: list[Attempt] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    refused_connections: int = 0
    lost_answers: int = 0
    port: int = 0
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?team=a"

    def __enter__(self) -> Receiver:
        made = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                made.handle(self)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as it is called there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """One attempt, as far as it comes."""
        if self.is_down():
            self.refused_connections += 1
            _end(request)
            return
        body = request.rfile.read(int(request.headers["Content-Length"])).decode("utf-8")
        headers = {name.lower(): value for name, value in request.headers.items()}
        verdict = self.judge(self.secret, headers, body, self.clock())
        event = headers["webhook-id"]
        self.attempts.append(Attempt(event, headers["webhook-timestamp"], headers["webhook-signature"], verdict))
        status = self.answer or (204 if verdict == "ok" else 400)
        if verdict == "ok" and status < 300:
            if event in self.taken:  # the receiver's own check, by the id
                self.copies += 1
            else:
                self.taken[event] += 1
        if status < 300 and self.loses():
            self.lost_answers += 1
            _end(request)
            return
        request.send_response(status)
        for name, value in self.headers.items():
            request.send_header(name, value)
        if status != 204:
            request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        with suppress(OSError):
            request.wfile.write(self.body if status != 204 else b"")


def _end(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True
    with suppress(OSError):
        request.connection.shutdown(socket.SHUT_RDWR)
