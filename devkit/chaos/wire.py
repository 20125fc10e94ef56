"""A wire: a proxy on the loopback between two parts of a stack, on which calls are seen, and broken as told.

A real socket, so that real clients meet real silence, resets and half answers.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

from bonafide.operator.layout import LOOPBACK
from devkit.chaos.calls import Call, read_call

_PATIENCE: Final = 40.0
"""Seconds that a wire waits for an answer: longer than anyone in front of it."""
_DROPPED: Final = frozenset({"content-length", "transfer-encoding", "connection", "server", "date"})
_THROTTLED: Final = {"dynamodb": "ProvisionedThroughputExceededException", "kms": "ThrottlingException"}


@dataclass(slots=True)
class Plan:
    """What happens to one call: seconds to wait before or after it is carried out, and one of the rest. ``kill`` is for
    the meddler itself, when it hears that the call was carried out."""

    wait_before: float = 0.0
    wait_after: float = 0.0
    throttled: bool = False
    refused: bool = False
    torn: bool = False
    half: bool = False
    kill: bool = False


class Meddler(Protocol):
    """Who decides what happens to calls."""

    def begins(self, call: Call) -> Plan:
        """A call came; nothing was carried out yet."""

    def carried_out(self, call: Call, plan: Plan, status: int) -> None:
        """It was carried out; ``status`` is 0 where the other side went away, and it is not known whether it was."""


@dataclass(slots=True)
class Wire:
    """One wire to ``port`` on the loopback. ``tables`` are the short names of tables by their names."""

    name: str
    port: int
    meddler: Meddler
    tables: dict[str, str] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _active: dict[int, Call] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the wire was not started")
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen on a free port."""
        handler = type("Handler", (_Handler,), {"wire": self})
        self._server = _Server((LOOPBACK, 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name=f"wire {self.name}", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def in_flight(self) -> list[Call]:
        """The calls that are on the wire at this moment."""
        with self._lock:
            return list(self._active.values())

    def entered(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Call:
        """Note a call."""
        call = read_call(next(self._numbers), self.name, method, path, headers, body, self.tables)
        with self._lock:
            self._active[call.number] = call
        return call

    def left(self, call: Call) -> None:
        """A call is over."""
        with self._lock:
            self._active.pop(call.number, None)

    def forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, bytes] | None:
        """Have the other side carry it out; ``None`` when it went away."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_PATIENCE)
        try:
            connection.request(method, path, body or None, {**headers, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a side that went away in the middle is what wires are for."""


class _Handler(BaseHTTPRequestHandler):
    wire: Wire
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_args: object) -> None:
        """Nothing: the history has it."""

    def _carry(self) -> None:
        wire = self.wire
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        call = wire.entered(self.command, self.path, {name.lower(): text for name, text in headers.items()}, body)
        try:
            self._carry_out(call, headers, body)
        finally:
            wire.left(call)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _carry

    def _carry_out(self, call: Call, headers: Mapping[str, str], body: bytes) -> None:
        plan = self.wire.meddler.begins(call)
        if plan.wait_before:
            time.sleep(plan.wait_before)
        if plan.refused:
            return self._reset()
        if plan.throttled:
            kind = _THROTTLED.get(call.service, "ThrottlingException")
            content = json.dumps({"__type": kind, "message": "injected"}).encode()
            return self._say(400, [("x-amzn-ErrorType", kind), ("Content-Type", "application/x-amz-json-1.0")], content)
        answer = self.wire.forward(self.command, self.path, headers, body)
        self.wire.meddler.carried_out(call, plan, 0 if answer is None else answer[0])
        if plan.wait_after:
            time.sleep(plan.wait_after)
        if answer is None or (plan.torn and not plan.half):
            return self._reset()
        return self._say(*answer, half=plan.torn)

    def _say(self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False) -> None:
        try:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if half else content)
            if half:
                self._reset()
        except OSError:
            self.close_connection = True  # the client had enough

    def _reset(self) -> None:
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass
