"""Lambda's Runtime API for functions that stream: hands events out, and takes answers chunk by chunk.

As "Using the Lambda runtime API for custom runtimes" describes it: ``next``, ``response`` with a chunked body and
trailers, ``init/error``. Any number of processes may ask one such server for events.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

from bonafide.operator.layout import LOOPBACK

_PATH: Final = "/2018-06-01/runtime/"
_ERROR: Final = b"lambda-runtime-function-error-type:"
_POLL: Final = 0.2


class FunctionFailed(Exception):
    """The function did not answer, or not within its time."""


@dataclass(slots=True)
class Invocation:
    """One event and its answer. ``error`` is the type of what broke off, once the pieces have ended."""

    event: Any
    ends_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    error: str | None = None
    answered: SimpleQueue[bytes | None] = field(default_factory=SimpleQueue, repr=False)

    def pieces(self) -> Iterator[bytes]:
        """The chunks as they come. Raises :class:`FunctionFailed` when none comes in time."""
        while True:
            try:
                piece = self.answered.get(timeout=max(0.0, self.ends_at - time.time()))
            except Empty:
                raise FunctionFailed("the function took too long") from None
            if piece is None:
                return
            yield piece


class RuntimeApi:
    """One Runtime API on a free port of the loopback. A context manager."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Invocation] = SimpleQueue()
        self._running: dict[str, Invocation] = {}
        self._stopping = threading.Event()
        api = self

        class Handler(_Handler):
            runtime_api = api

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.address = f"{LOOPBACK}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: Mapping[str, Any], seconds: float) -> Invocation:
        """Hand an event to the next process that asks; it has so many seconds."""
        invocation = Invocation(event, time.time() + seconds)
        self._waiting.put(invocation)
        return invocation

    def next(self) -> Invocation | None:
        """The next event; waits for one, and gives up when the server stops."""
        while not self._stopping.is_set():
            try:
                invocation = self._waiting.get(timeout=_POLL)
            except Empty:
                continue
            self._running[invocation.id] = invocation
            return invocation
        return None

    def running(self, invocation_id: str) -> Invocation | None:
        """The event of that id, which is answered now."""
        return self._running.pop(invocation_id, None)


class _Handler(BaseHTTPRequestHandler):
    runtime_api: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """A process that was ended while it waited is no news."""
        with suppress(ConnectionError):
            super().handle_one_request()

    def do_GET(self) -> None:
        invocation = self.runtime_api.next() if self.path == _PATH + "invocation/next" else None
        if invocation is None:
            self._reply(404, {})
            return
        self._reply(
            200,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.ends_at * 1000)),
            },
            json.dumps(invocation.event).encode(),
        )

    def do_POST(self) -> None:
        parts = self.path.removeprefix(_PATH).split("/")
        if parts[0] == "invocation" and (invocation := self.runtime_api.running(parts[1])) is not None:
            try:
                for piece in self._chunks(invocation):
                    invocation.answered.put(piece)
            finally:
                invocation.answered.put(None)
        else:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._reply(202, {}, b'{"status": "OK"}')

    def _chunks(self, invocation: Invocation) -> Iterator[bytes]:
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(8)
        while (line := self.rfile.readline(65_536).strip()) != b"":
            if line.lower().startswith(_ERROR):
                invocation.error = line[len(_ERROR) :].strip().decode("ascii", "replace")

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: a path holds ids alone."""
