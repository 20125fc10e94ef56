"""Fetching the trust bundle: one bounded HTTP/1.1 GET over a socket of our own.

``urllib.request`` and ``http.client`` would load ``email`` and thirty modules more on every cold start, and follow
redirects, proxies and encodings that we would then have to forbid. This client does one thing: https (http only to
the loopback, for local stacks), one request per connection, no redirects, at most 1 MB, all within one deadline.
The answer is untrusted text; the bundle's own signature decides.
"""

from __future__ import annotations

import re
import socket
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_BUNDLE_BYTES: Final = 1_000_000
MAX_HEADER_BYTES: Final = 16_384
_MAX_CHUNK_LINE: Final = 256
_MAX_INTERIM_ANSWERS: Final = 3
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_URL: Final = re.compile(
    r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::([0-9]{1,5}))?(/[!-\"$->@-~]*(?:\?[!-\"$-~]*)?)\Z"
)
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\Z")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r\n\x00]*)\Z")
_ETAG: Final = re.compile(r"(?:W/)?\"[!#-~]{0,128}\"\Z")


class BundleUnreachable(Exception):
    """The bundle could not be fetched: the text says why, for the operator, without quoting the answer."""


class BundleAddress(NamedTuple):
    """Where the bundle is, taken apart."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, url: str) -> BundleAddress:
        """Raises :class:`ValueError` for anything but https, or http to the loopback."""
        match = _URL.match(url)
        if match is None:
            raise ValueError("not an absolute http(s) URL with a path, without user and fragment")
        scheme, host, port, target = match.groups()
        if scheme != "https" and host not in _LOOPBACK:
            raise ValueError("plain http is for the loopback only")
        number = int(port or (443 if scheme == "https" else 80))
        if not 0 < number < 65536:
            raise ValueError("no such port")
        return cls(scheme, host.strip("[]"), number, target)


class BundleAnswer(NamedTuple):
    """``text`` is the bundle, or ``None`` when it has not changed since ``etag``."""

    text: str | None
    etag: str | None


def fetch_bundle(address: BundleAddress, etag: str | None, timeout: float) -> BundleAnswer:
    """GET the bundle within ``timeout`` seconds (name resolution apart, which Python cannot bound).

    Raises :class:`BundleUnreachable` for everything but a whole 200 answer, or a 304 to the ``etag`` that we sent.
    """
    deadline = monotonic() + timeout
    try:
        with _connect(address, deadline) as connection:
            connection.sendall(_request(address, etag))
            return _answer(_Reader(connection, deadline), asked_with=etag)
    except TimeoutError:
        raise BundleUnreachable("no whole answer in time") from None
    except OSError as error:  # ssl.SSLError is one
        raise BundleUnreachable(f"connection failed ({type(error).__name__})") from None


def _connect(address: BundleAddress, deadline: float) -> socket.socket:
    connection = socket.create_connection((address.host, address.port), timeout=_left(deadline))
    if address.scheme == "http":
        return connection
    try:
        connection.settimeout(_left(deadline))
        return _tls().wrap_socket(connection, server_hostname=address.host)
    except BaseException:
        connection.close()
        raise


@cache
def _tls() -> SSLContext:
    from ssl import create_default_context  # here, so that a stack on the loopback never pays for it

    return create_default_context()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _request(address: BundleAddress, etag: str | None) -> bytes:
    host = f"[{address.host}]" if ":" in address.host else address.host
    if address.port != (443 if address.scheme == "https" else 80):
        host += f":{address.port}"
    condition = "" if etag is None else f"If-None-Match: {etag}\r\n"
    return (
        f"GET {address.target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bonafide-authorizer\r\n"
        f"Accept: application/jwt\r\nAccept-Encoding: identity\r\nConnection: close\r\n{condition}\r\n"
    ).encode("ascii")


class _Reader:
    """Reads from a connection: every read within the deadline, every length within a limit."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = bytearray()

    def _more(self) -> bool:
        self._connection.settimeout(_left(self._deadline))  # a server that drips bytes gets no longer than the rest
        data = self._connection.recv(65_536)
        self._buffer += data
        return bool(data)

    def until(self, end: bytes, limit: int) -> bytes:
        while not 0 <= (at := self._buffer.find(end)) <= limit:
            if at > limit or len(self._buffer) > limit or not self._more():
                raise BundleUnreachable("the answer's header is too long or cut off")
        return self._take(at + len(end))[:at]

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise BundleUnreachable("the answer is cut off")
        return self._take(size)

    def rest(self, limit: int) -> bytes:
        while self._more():
            if len(self._buffer) > limit:
                raise BundleUnreachable("the answer is too large")
        return self._take(len(self._buffer))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _answer(reader: _Reader, *, asked_with: str | None) -> BundleAnswer:
    status, fields = _head(reader)
    for _ in range(_MAX_INTERIM_ANSWERS):
        if status < 200:
            status, fields = _head(reader)
    if status == 304 and asked_with is not None:
        return BundleAnswer(None, asked_with)
    if status != 200:
        raise BundleUnreachable(f"answered with status {status}")  # 3xx too: no answer redirects us
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise BundleUnreachable("answered in an encoding that we did not ask for")
    try:
        text = _body(reader, fields).decode("ascii").strip()
    except UnicodeDecodeError:
        raise BundleUnreachable("the answer is not a compact JWS") from None
    etag = fields.get("etag", "")
    return BundleAnswer(text, etag if _ETAG.match(etag) else None)


def _head(reader: _Reader) -> tuple[int, dict[str, str]]:
    first, *lines = reader.until(b"\r\n\r\n", MAX_HEADER_BYTES).split(b"\r\n")
    status = _STATUS.match(first)
    if status is None:
        raise BundleUnreachable("the answer is not HTTP/1.1")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.match(line)
        if field is None:
            raise BundleUnreachable("the answer's header is malformed")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1").strip(" \t")
        if name in fields and name in ("content-length", "transfer-encoding"):
            raise BundleUnreachable("the answer has two lengths")
        fields[name] = value
    return int(status[1]), fields


def _body(reader: _Reader, fields: dict[str, str]) -> bytes:
    length, encoding = fields.get("content-length"), fields.get("transfer-encoding")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:  # RFC 9112 §6.3: the classic of request smuggling
            raise BundleUnreachable("the answer has two lengths")
        return _chunks(reader)
    if length is None:
        return reader.rest(MAX_BUNDLE_BYTES)  # cut off or whole: the signature will tell
    if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > MAX_BUNDLE_BYTES:
        raise BundleUnreachable("the answer is too large")
    return reader.exactly(int(length))


def _chunks(reader: _Reader) -> bytes:
    body = bytearray()
    while True:
        text = reader.until(b"\r\n", _MAX_CHUNK_LINE).split(b";", 1)[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", text):
            raise BundleUnreachable("the answer's chunks are malformed")
        size = int(text, 16)
        if size == 0:
            return bytes(body)  # trailers, if any, go down with the connection
        if len(body) + size > MAX_BUNDLE_BYTES:
            raise BundleUnreachable("the answer is too large")
        body += reader.exactly(size)
        if reader.exactly(2) != b"\r\n":
            raise BundleUnreachable("the answer's chunks are malformed")
