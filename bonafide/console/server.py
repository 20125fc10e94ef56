"""The console's HTTP server: on 127.0.0.1, a bounded number of connections, each for a bounded time.

The standard library reads the requests (docs/adr/0063): what it would let pass and the console does not need is refused
here, before anything looks at it.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from bonafide.console.messages import SECURITY_HEADERS, Answer, Refused, Request
from bonafide.operator.layout import LOOPBACK, LocalStackError

MAX_CONNECTIONS: Final = 48
"""A browser keeps six to a host; the rest is for more windows."""
MAX_BODY: Final = 1024 * 1024
"""Bytes: two policies, as JSON writes them."""
READING: Final = 20.0
"""Seconds within which a request is there, from the end of the one before; then the connection ends."""
ANSWERING: Final = 60.0
"""Seconds that an answer may take: more than API Gateway gives the functions behind it."""

_LOOK: Final = 0.2
_Answers = Callable[[Request], Answer]


class ConsoleServer(ThreadingHTTPServer):
    """Serves ``answers`` from threads of its own, from :meth:`start` to :meth:`stop`.

    Raises :class:`~bonafide.operator.layout.LocalStackError` for a port that is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, port: int) -> None:
        self.answers: _Answers = _not_yet
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except OSError as error:
            raise LocalStackError(
                f"Port {port} on {LOOPBACK} is taken: another console may run there. Choose another with --port."
            ) from error

    def server_bind(self) -> None:
        """Bind, and ask no name server what this machine is called."""
        TCPServer.server_bind(self)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def start(self, answers: _Answers) -> None:
        """Answer from now on."""
        self.answers = answers
        threading.Thread(target=self.serve_forever, args=(_LOOK,), daemon=True, name="console").start()

    def stop(self) -> None:
        """Take no more requests, and end every connection."""
        if self.answers is not _not_yet:
            self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._deadlines:
                _end(connection)

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """Give a connection so many seconds from now on."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        """A connection beyond the bound is closed at once. The attack: connections that are opened and left."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self.allow(request, READING)
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._release(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Counted until it has ended."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._release(request)

    def service_actions(self) -> None:
        """End connections whose time is up: a caller who sends one byte every nine seconds is never quite silent."""
        now = time.monotonic()
        with self._lock:
            for connection in [one for one, until in self._deadlines.items() if until < now]:
                _end(connection)
                self._deadlines[connection] = now + ANSWERING

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is nothing to say; what may not happen is answered before (``_Handler._any``)."""

    def _release(self, connection: socket.socket) -> None:
        with self._lock:
            self._deadlines.pop(connection, None)
        self._slots.release()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = READING
    server: ConsoleServer

    def _any(self) -> None:
        try:
            request = self._read()
            self.server.allow(self.connection, ANSWERING)
            answer = self.server.answers(request)
        except Refused as refused:
            self.close_connection = True  # what is left of the request is not read
            answer = refused.answer()
        except Exception as error:  # its name only: a text may quote what was sent
            sentence = f"This should not happen: {type(error).__name__}."
            answer = Refused(500, "console-failed", sentence).answer()
        self._write(answer)
        self.server.allow(self.connection, READING)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _any

    def _read(self) -> Request:
        """The whole request. Raises :class:`Refused`."""
        if self.request_version != "HTTP/1.1":
            raise Refused(505, "console-malformed-request", "The console speaks HTTP/1.1.")
        headers = [(name, str(value)) for name, value in self.headers.items()]
        target = self.requestline.split()[1]
        if not target.startswith("/") or target.startswith("//") or "#" in target:
            raise Refused(400, "console-malformed-request", "The request's target is no path of the console.")
        if not target.isascii() or any(ord(character) <= 32 for character in target):
            raise Refused(400, "console-malformed-request", "The request's target has characters that no URL has.")
        if self.headers.defects or "transfer-encoding" in self.headers:
            raise Refused(400, "console-malformed-request", "The request's headers cannot be read in one way only.")
        path, _, query = target.partition("?")
        return Request(self.command, path, query, headers, self._body())

    def _body(self) -> bytes:
        lengths = self.headers.get_all("content-length", [])
        if not lengths:
            return b""
        length = lengths[0].strip()
        if len(lengths) > 1 or not (length.isascii() and length.isdigit()) or len(length) > 9:
            raise Refused(400, "console-malformed-request", "The request's length cannot be read.")
        if int(length) > MAX_BODY:
            raise Refused(413, "console-malformed-request", f"A body has {MAX_BODY} bytes at most.")
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            raise Refused(400, "console-malformed-request", "The request ended before its body did.")
        return body

    def _write(self, answer: Answer) -> None:
        self.request_version = "HTTP/1.1"  # an answer to an older one has a head as well
        self.send_response(answer.status)
        for name, value in {**SECURITY_HEADERS, **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status != HTTPStatus.NOT_MODIFIED:
            self.wfile.write(answer.body)

    def send_error(self, code: int, *_: Any) -> None:
        """What the standard library refuses by itself, in the console's form."""
        self.close_connection = True
        self.command = getattr(self, "command", None) or ""
        self._write(Refused(code, "console-malformed-request", "The request cannot be read.").answer())

    def handle_expect_100(self) -> bool:
        """No caller of the console waits to be asked."""
        self.send_error(417)
        return False

    def version_string(self) -> str:
        """The Server header: no versions."""
        return "bonafide-console"

    def log_message(self, *_: Any) -> None:
        """Nothing is logged: a target may hold a secret or a support code."""


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already


def _not_yet(_request: Request) -> Answer:
    return Answer(503, json.dumps({"detail": "The console is starting."}).encode())
