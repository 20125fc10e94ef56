"""A REST API whose one function streams: HTTP in, a proxy event to the function, its answer back as it comes.

As API Gateway does it for an integration with ``responseTransferMode: STREAM``: the answer begins with a JSON object of
status and headers and eight zero bytes, then the body. More calls than processes start another one, up to the
function's concurrency; beyond it, a call is refused.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from bonafide.operator.layout import LOOPBACK
from devkit.local.processes import CHILDREN
from devkit.streaming.runtime_api import FunctionFailed, RuntimeApi

_END_OF_HEAD: Final = bytes(8)
_MOST_HEAD: Final = 16 << 10
_MOST_BODY: Final = 10 << 20
_RESOURCE: Final = "/{upstream}/{proxy+}"


class StreamingApi:
    """One API and its function, on free ports of the loopback. ``command`` starts one process of the function; it is
    told AWS_LAMBDA_RUNTIME_API beside ``environment``."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        folder: Path,
        log: Path,
        seconds: float,
        concurrency: int,
    ) -> None:
        self._command, self._environment, self._folder, self._log = command, environment, folder, log
        self.seconds, self._concurrency = seconds, concurrency
        self.runtime = RuntimeApi()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._busy = 0
        self._lock = threading.Lock()
        api = self

        class Handler(_Handler):
            streaming_api = api

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve. The first process starts at once, as it takes a second."""
        self.runtime.__enter__()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._start_process()

    def stop(self) -> None:
        """End it and its processes. May be called more than once."""
        self._server.shutdown()
        self._server.server_close()
        CHILDREN.stop(*self._processes)
        self._processes.clear()
        self.runtime.__exit__(None, None, None)

    def enter(self) -> bool:
        """Take a place for one call; false when the function has none left."""
        with self._lock:
            if self._busy >= self._concurrency:
                return False
            self._busy += 1
            more = self._busy > len(self._processes)
        if more:
            self._start_process()
        return True

    def leave(self) -> None:
        """Give it back."""
        with self._lock:
            self._busy -= 1

    def _start_process(self) -> None:
        environment = {**self._environment, "AWS_LAMBDA_RUNTIME_API": self.runtime.address}
        self._processes.append(
            CHILDREN.start(self._command, environment=environment, folder=self._folder, log=self._log)
        )


class _Handler(BaseHTTPRequestHandler):
    streaming_api: StreamingApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """A client that is gone is no news."""
        with suppress(ConnectionError):
            super().handle_one_request()

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path).path.split("/", 2)
        if size > _MOST_BODY or len(parts) < 3 or not parts[1] or not parts[2]:
            self._refuse(*((413, "too-large") if size > _MOST_BODY else (404, "no-such-route")))
            return
        body = self.rfile.read(size)
        if not self.streaming_api.enter():
            self._refuse(429, "quota")
            return
        try:
            self._relay(self._event(body, parts[1], unquote(parts[2])))
        finally:
            self.streaming_api.leave()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def _relay(self, event: Mapping[str, Any]) -> None:
        invocation = self.streaming_api.runtime.invoke(event, self.streaming_api.seconds)
        pieces = invocation.pieces()
        try:
            head, first = _head_of(pieces)
        except FunctionFailed:
            self._refuse(502, "try-later")
            return
        self.send_response_only(int(head["statusCode"]))
        for name, value in head["headers"].items():
            self.send_header(name, str(value))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._chunk(first)
            for piece in pieces:
                self._chunk(piece)
        except FunctionFailed:
            invocation.error = "timeout"
        if invocation.error is None:
            self.wfile.write(b"0\r\n\r\n")
        else:  # cut off: the only way to say so
            self.close_connection = True

    def _chunk(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def _event(self, body: bytes, upstream: str, rest: str) -> dict[str, Any]:
        parts = urlsplit(self.path)
        several: dict[str, list[str]] = defaultdict(list)
        for name, value in self.headers.items():
            several[name].append(value)
        query: dict[str, list[str]] = defaultdict(list)
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            query[name].append(value)
        return {
            "resource": _RESOURCE,
            "path": unquote(parts.path),
            "httpMethod": self.command,
            "headers": {name: values[-1] for name, values in several.items()},
            "multiValueHeaders": several,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": {"upstream": unquote(upstream), "proxy": rest},
            "stageVariables": None,
            "requestContext": {
                "domainName": self.streaming_api.url.removeprefix("http://"),
                "httpMethod": self.command,
                "path": parts.path,
                "requestId": str(uuid.uuid4()),
                "resourcePath": _RESOURCE,
                "stage": "local",
            },
            "body": base64.b64encode(body).decode() if body else None,
            "isBase64Encoded": bool(body),
        }

    def _refuse(self, status: int, slug: str) -> None:
        body = json.dumps({"type": f"/problems/{slug}", "status": status}).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the function has its own log."""


def _head_of(pieces: Iterator[bytes]) -> tuple[dict[str, Any], bytes]:
    """Status and headers, and what of the body came with them. Raises :class:`FunctionFailed`."""
    data = b""
    for piece in pieces:
        data += piece
        text, end, rest = data.partition(_END_OF_HEAD)
        if end:
            head: dict[str, Any] = json.loads(text)
            return head, rest
        if len(data) > _MOST_HEAD:
            break
    raise FunctionFailed("no status and headers")
