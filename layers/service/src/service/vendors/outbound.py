"""One bounded HTTP exchange with another party's server: a vendor's revocation list, a vendor's API.

https, or http to the loopback for local stacks and tests. One deadline for everything but name resolution (which Python
cannot bound), every size limited. No redirect is followed, not even to the same host: the addresses are settings, and
an answer that sends us elsewhere is a fault to report. No proxy, no cookie, no compression.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Final, Literal
from urllib.parse import urlsplit

from service.deadline import seconds_left

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PRINTABLE: Final = re.compile(r"[!-~]{1,2048}\Z")


class Unreachable(Exception):
    """No whole answer could be had. The message says why, for the operator, without quoting the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: header names in lower case. ``body`` may hold a secret (an access token)."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        """The type without parameters, in lower case; empty when there is none."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def check_url(url: str) -> str:
    """``url``, when it may be called. Raises :class:`ValueError` with what it must be."""
    parts = urlsplit(url) if _PRINTABLE.match(url) else urlsplit("")
    try:
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("https", "http") or parts.username is not None or parts.fragment:
        raise ValueError("must be an https address without user name and fragment")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("must be https: plain http is for the loopback only")
    return url


def exchange(
    method: Literal["GET", "POST"],
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    max_bytes: int,
    body: bytes | None = None,
) -> Answer:
    """Send one request and read its whole answer, whatever the status, within ``timeout`` seconds, or what is left of
    the request that it is for (:mod:`service.deadline`).

    Raises :class:`Unreachable` for anything but a whole answer of at most ``max_bytes``, and :class:`ValueError` for an
    address that :func:`check_url` refuses.
    """
    parts = urlsplit(check_url(url))
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "bonafide", **headers}
    timeout = min(timeout, seconds_left())
    deadline = monotonic() + timeout
    try:
        with _connect(parts.scheme, host, port, deadline) as connection:
            client = http.client.HTTPConnection(host, port)
            client.sock = _Deadlined(connection, deadline)
            client.request(method, target, body, sent)
            response = client.getresponse()
            return Answer(response.status, _headers(response), _read(response, max_bytes))
    except TimeoutError:
        raise Unreachable(f"no whole answer within {timeout:g} s") from None
    except OSError as error:  # ssl.SSLError is one
        raise Unreachable(f"connection failed ({type(error).__name__})") from None
    except (http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"the answer is broken ({type(error).__name__})") from None


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Names in lower case; what was said twice as one list (RFC 9110 §5.2)."""
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    return headers


def _connect(scheme: str, host: str, port: int, deadline: float) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=_left(deadline))
    if scheme == "http":
        return connection
    try:
        connection.settimeout(_left(deadline))
        return _tls().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Unreachable("the answer came in an encoding that was not asked for")
    declared = response.length  # None: chunked, or until the connection closes
    if declared is None and not response.chunked:
        # Whole or cut off, even in the middle of the header: there is no telling.
        raise Unreachable("the answer does not say how long it is")
    if declared is not None and declared > max_bytes:
        raise Unreachable(f"the answer has more than {max_bytes} bytes")
    body = response.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise Unreachable(f"the answer has more than {max_bytes} bytes")
    if declared is not None and len(body) < declared:
        raise Unreachable("the answer is cut off")
    return body


class _Deadlined:
    """What ``http.client`` sees of a connection: each read and write gets what is left of the deadline and no more, so
    that a server which drips one byte at a time gains nothing."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._connection, self._deadline))

    def close(self) -> None:
        """Nothing: ``http.client`` closes before the answer is read. :func:`exchange` closes the connection itself."""


class _Reader(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)
