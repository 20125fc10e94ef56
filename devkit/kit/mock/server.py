"""A world over HTTP on the loopback: one listener per origin."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bonafide.operator.layout import LOOPBACK
from devkit.kit.mock.exchange import Answer
from devkit.kit.mock.world import World

_LARGEST_BODY = 1 << 20


class KitServer:
    """Serves ``world`` at an origin for each of ``places`` until :meth:`stop`."""

    def __init__(self, world: World, places: Iterable[str]) -> None:
        self._servers: dict[str, ThreadingHTTPServer] = {}
        handler = type("Handler", (_Handler,), {"world": world})
        for place in places:
            server = ThreadingHTTPServer((LOOPBACK, 0), handler)
            server.daemon_threads = True
            self._servers[place] = server
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True, name=f"kit {place}").start()
        world.origins.update({url: place for place, url in self.urls.items()})

    @property
    def urls(self) -> Mapping[str, str]:
        """The origin of each place."""
        return {place: f"http://{LOOPBACK}:{server.server_address[1]}" for place, server in self._servers.items()}

    def stop(self) -> None:
        """End it."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    world: World
    protocol_version = "HTTP/1.1"
    timeout = 30

    def _any(self) -> None:
        length = self.headers.get("Content-Length", "0")
        size = int(length) if re.fullmatch("[0-9]{1,8}", length, re.ASCII) else 0
        body = self.rfile.read(min(size, _LARGEST_BODY))
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = (*headers.get(name.lower(), ()), value)
        _, port = self.connection.getsockname()
        answer = self.world.answer(self.command, f"http://{LOOPBACK}:{port}{self.path}", headers, body)
        if answer is None:
            self._hang_up()
        else:
            self._write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _any

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body) + answer.cut))
        self.end_headers()
        with suppress(OSError):  # a client may go as soon as it has read enough
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.wfile.flush()
        if answer.cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""
