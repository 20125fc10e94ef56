"""The checker in this process, on a port of its own, and raw HTTP/1.1 exchanges with it or with a proxy before it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bonafide_tokens.backends.guard import Guard
from bonafide_tokens.checker.server import CheckerServer
from bonafide_tokens.checker.settings import CheckerSettings, Proxy
from bonafide_tokens.jose import b64url_encode

from tests.backends.drivers import ORIGIN, Answered
from tests.unit.gate.stand import AUDIENCE, ISSUER, public_key


def settings(**changes: str) -> dict[str, str]:
    """Good settings of a checker, with changes; the server of its trust bundle is away."""
    return {
        "TRUST_BUNDLE_URL": "http://127.0.0.1:9/v1/trust-bundle",
        "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
        "TOKEN_ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "EXTERNAL_ORIGIN": ORIGIN,
        "CHECKER_PROXY": "nginx",
        "CHECKER_LISTEN": "127.0.0.1:0",
        **changes,
    }


class RunningChecker:
    """A checker whose event loop runs in a thread."""

    def __init__(self, guard: Guard, settings: CheckerSettings) -> None:
        self.said: list[dict[str, Any]] = []
        self.server = CheckerServer(
            settings, guard, lambda message, **more: self.said.append({"said": message, **more})
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)

    def use(self, guard: Guard) -> None:
        """Decide by another guard from now on."""
        self.server._guard = guard

    def stop(self) -> None:
        """As by SIGTERM."""
        asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(20)

    def end(self) -> None:
        """Stop, and end the thread."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        with contextlib.suppress(RuntimeError):
            self._loop.close()


@contextmanager
def running(guard: Guard, proxy: Proxy, **settings: Any) -> Iterator[RunningChecker]:
    """A checker on a free port."""
    checker = RunningChecker(guard, CheckerSettings(proxy, port=0)._replace(**settings))
    try:
        yield checker
    finally:
        checker.end()


def head_of(method: str, target: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """A head as it goes over the wire, whatever is in it."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def exchange(port: int, request: bytes, *, seconds: float = 20) -> Answered:
    """Send bytes, read one answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        return read_answer(connection, without_body=request.startswith(b"HEAD "))


def read_answer(connection: socket.socket, *, without_body: bool = False) -> Answered:
    """One answer, off an open connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return Answered(0, {}, data)
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    length = headers.get("content-length")
    chunked = headers.get("transfer-encoding") == "chunked"
    while not without_body and (chunked or length is None or len(body) < int(length)):
        piece = connection.recv(65_536)
        body += piece
        if not piece or (chunked and body.endswith(b"0\r\n\r\n")):
            break
    return Answered(int(first.split()[1]), headers, _unchunked(body) if chunked else body)


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole
