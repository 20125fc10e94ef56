"""What stands between the functions and everything they call, and breaks one call as it is told.

A real socket, so that real clients meet real silence, resets and late answers. Calls are named by what they are
(service, operation, table), not by where in the code they are made: a good run records which there are.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit


@unique
class Fault(StrEnum):
    """How a call breaks."""

    THROTTLED = "throttled"
    HUNG = "hung"
    RESET = "reset"
    LOST = "lost answer"  # carried out, then the connection dies
    FAILED = "done, then 500"


class Call(NamedTuple):
    """One call of a run: its name, and how many of that name came before it."""

    name: str
    nth: int

    def __str__(self) -> str:
        return self.name if not self.nth else f"{self.name} ({self.nth + 1})"


@dataclass
class FaultProxy:
    """``aws`` and ``vendors`` are base URLs of the stand-ins, ``invoke`` plays Lambda, ``stack`` begins the tables'
    names. With a ``plan`` the call breaks, and every attempt at it; ``once`` only the first."""

    aws: str
    vendors: str
    stack: str
    invoke: Callable[[str, bytes], Mapping[str, object]]
    bundle: Callable[[], Mapping[str, Any]]
    plan: tuple[Call, Fault] | None = None
    once: bool = False
    calls: list[Call] = field(default_factory=list)
    broken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: dict[str, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where the functions call."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Listen on a free port of the loopback."""
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """End it, and every call that hangs."""
        self._over.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def begin(self, plan: tuple[Call, Fault] | None = None, *, once: bool = False) -> None:
        """Forget the run before; the next one goes by this plan."""
        self._over.set()
        with self._lock:
            self._over = threading.Event()
            self.plan, self.once, self.calls, self.broken = plan, once, [], 0
            self._seen.clear()

    def fault_of(self, name: str) -> Fault | None:
        """Note a call, and say how it breaks."""
        with self._lock:
            nth = self._seen.get(name, 0)
            self._seen[name] = nth + 1
            self.calls.append(Call(name, nth))
            if self.plan is None or self.plan[0].name != name or nth < self.plan[0].nth:
                return None
            if self.once and self.broken:
                return None
            self.broken += 1
            return self.plan[1]

    def hang(self) -> None:
        """Say nothing until this run is over."""
        self._over.wait(timeout=60)


class _Handler(BaseHTTPRequestHandler):
    owner: FaultProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Nothing: the test says what matters."""

    def do_POST(self) -> None:
        """Carry out a call, or break it."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self._name(body)
        fault = self.owner.fault_of(name)
        if fault is Fault.HUNG:
            self.owner.hang()
        if fault in (Fault.HUNG, Fault.RESET):
            return self._reset()
        if fault is Fault.THROTTLED:
            return self._throttle(name)
        status, headers, content = self._carry_out(body)
        if fault is Fault.LOST:
            return self._reset()
        if fault is Fault.FAILED:
            status, headers, content = 500, {}, b'{"__type":"InternalServerError","message":"injected"}'
        return self._say(status, headers, content)

    do_GET = do_POST

    def _name(self, body: bytes) -> str:
        target = self.headers.get("X-Amz-Target", "")
        if target:
            service, operation = target.split(".")
            if service == "TrentService":
                return f"kms {operation}"
            members = json.loads(body)
            if "TransactItems" in members:
                parts = [next(iter(part.values()))["TableName"] for part in members["TransactItems"]]
                return f"dynamodb {operation} {'+'.join(part.removeprefix(self.owner.stack + '-') for part in parts)}"
            if "RequestItems" in members:
                tables = sorted(table.removeprefix(self.owner.stack + "-") for table in members["RequestItems"])
                return f"dynamodb {operation} {'+'.join(tables)}"
            return f"dynamodb {operation} {members['TableName'].removeprefix(self.owner.stack + '-')}"
        if self.path.startswith("/2015-03-31/functions/"):
            return f"lambda Invoke {self.path.split('/')[3]}"
        return (
            f"{'google' if 'trust-bundle' not in self.path else 'verifier'} {self.command} {urlsplit(self.path).path}"
        )

    def _carry_out(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if self.path.startswith("/2015-03-31/functions/"):
            published = self.owner.invoke(self.path.split("/")[3], body)
            waits = self.headers.get("X-Amz-Invocation-Type", "RequestResponse") == "RequestResponse"
            return (200, {}, json.dumps(published).encode()) if waits else (202, {}, b"")
        if "trust-bundle" in self.path:
            served = self.owner.bundle()
            return served["statusCode"], served["headers"], served["body"].encode()
        base = urlsplit(self.owner.aws if "X-Amz-Target" in self.headers else self.owner.vendors)
        connection = http.client.HTTPConnection(base.hostname or "", base.port, timeout=30)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _throttle(self, name: str) -> None:
        kinds = {
            "dynamodb": (400, "ProvisionedThroughputExceededException"),
            "kms": (400, "ThrottlingException"),
            "lambda": (429, "TooManyRequestsException"),
        }
        status, kind = kinds.get(name.split()[0], (429, "throttled"))
        headers = {"x-amzn-ErrorType": kind, "Content-Type": "application/x-amz-json-1.0"}
        self._say(status, headers, json.dumps({"__type": kind, "message": "injected"}).encode())

    def _say(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the client had enough

    def _reset(self) -> None:
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            pass
