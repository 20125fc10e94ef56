"""A server on the loopback that says exactly the bytes a test gives it, at the pace the test gives it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_TLS = b"\x16"  # a client that begins a handshake: there is no request to wait for
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _whole_request(connection: socket.socket) -> bytes:
    """Head and body: a client may send them in two pieces, and TCP in any number."""
    request = b""
    while True:
        head, end, body = request.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            return request
        piece = connection.recv(65_536)
        request += piece
        if not piece or request[:1] == _TLS:
            return request


@dataclass
class Scripted:
    """One script for every connection. ``pace`` is the pause between two bytes, ``delay`` the one before the first."""

    script: bytes
    pace: float = 0.0
    delay: float = 0.0
    reset: bool = False
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.requests.append(_whole_request(connection))
                time.sleep(self.delay)
                if self.pace:
                    for at in range(len(self.script)):
                        connection.sendall(self.script[at : at + 1])
                        time.sleep(self.pace)
                else:
                    connection.sendall(self.script)
                if self.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            except OSError:
                pass  # the other side had enough


def http(status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """An HTTP answer. ``length`` is what it claims its body to be; header names take hyphens for underscores."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


@contextmanager
def serving(server: Scripted) -> Iterator[Scripted]:
    """Serve on a free port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server.port = listener.getsockname()[1]

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=server.answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
