"""One call of an upstream: to an address that was judged, within one deadline, every size bounded, nothing followed."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from typing import Final, Protocol

from service.relay.addresses import is_public
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.upstreams import Upstream

MAX_HEADER_BYTES: Final = 32 << 10
_CONNECT: Final = 5.0
_MOST_ADDRESSES: Final = 3
_MOST_RESOLVING: Final = 8
_PIECE: Final = 64 << 10


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host. Raises :class:`OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def connect(address: str, port: int, timeout: float) -> socket.socket:
    """A connection to an address, which is no name: nothing is resolved again."""
    return socket.create_connection((address, port), timeout=timeout)


@cache
def tls() -> ssl.SSLContext:
    """Verifies certificates and their names; TLS 1.2 at least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True)
class Network:
    """How upstreams are reached; tests put others in. ``may_call`` judges every address that a name has."""

    resolve: Callable[[str, int], list[str]] = resolve
    connect: Callable[[str, int, float], socket.socket] = connect
    tls: Callable[[], ssl.SSLContext] = tls
    may_call: Callable[[str], bool] = is_public


class Callee(Protocol):
    """Where a call goes. ``http`` is for the loopback of a laptop alone, which who makes one sees to."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...


class UpstreamBody(Iterator[bytes]):
    """The body as it comes, of at most so many bytes. It closes the connection where it ends or fails; a reader that
    stops earlier closes it."""

    def __init__(self, response: http.client.HTTPResponse, connection: socket.socket, most: int) -> None:
        self._response, self._connection, self._most, self._left = response, connection, most, most

    def __next__(self) -> bytes:
        try:
            piece = self._response.read1(_PIECE)
            self._left -= len(piece)
            _require(self._left >= 0, RelayReason.ANSWER_TOO_LARGE, f"more than {self._most} bytes")
            _require(bool(piece) or not self._response.length, RelayReason.ANSWER_MALFORMED, "cut off")
        except BaseException as error:
            self.close()
            raise _refused(error, True) from None
        if piece:
            return piece
        self.close()
        raise StopIteration

    def close(self) -> None:
        """End the connection; may be called more than once."""
        self._response.close()
        self._connection.close()


@dataclass(slots=True)
class UpstreamAnswer:
    """An answer whose header was read. ``headers`` have lower-case names; of a repeated one, the first. ``pieces`` are
    the body as it comes; they raise :class:`RelayRefused`."""

    status: int
    headers: Mapping[str, str]
    pieces: UpstreamBody = field(repr=False)


def call_upstream(
    upstream: Upstream,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    network: Network,
    seconds: float,
) -> UpstreamAnswer:
    """Make the call; ``target`` is path and query, ``seconds`` is all the time there is, the body included.

    Raises :class:`RelayRefused`, whose text holds nothing of what was sent or answered.
    """
    response, connection = _asked(upstream, method, target, headers, body, network, seconds)
    try:
        _require_readable(response, upstream.most_answer_bytes)
        pieces = UpstreamBody(response, connection, upstream.most_answer_bytes)
        return UpstreamAnswer(response.status, _headers(response), pieces)
    except BaseException as error:
        response.close()
        connection.close()
        raise _refused(error, True) from None


def call_for_status(
    callee: Callee,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    network: Network,
    seconds: float,
) -> tuple[int, Mapping[str, str]]:
    """Make the call, and read no more of the answer than its status and its header. Raises :class:`RelayRefused`."""
    response, connection = _asked(callee, method, target, headers, body, network, seconds)
    try:
        return response.status, _headers(response)
    finally:
        response.close()
        connection.close()


def _asked(
    callee: Callee,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes | None,
    network: Network,
    seconds: float,
) -> tuple[http.client.HTTPResponse, socket.socket]:
    """The answer as far as its header, and the connection, both for the caller to close."""
    deadline = monotonic() + seconds
    connection: socket.socket | None = None
    sent_whole = False
    try:
        connection = _connection(callee, network, deadline)
        client = http.client.HTTPConnection(callee.host, callee.port)
        reader = _Reader(connection, deadline)
        client.sock = _Deadlined(connection, reader, deadline)
        host = callee.host if (callee.scheme, callee.port) == ("https", 443) else f"{callee.host}:{callee.port}"
        sent = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "bonafide-proxy", "Host": host}
        client.request(method, target, body, {**sent, **headers})
        sent_whole = True
        response = client.getresponse()
        reader.header_read()
        return response, connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        raise _refused(error, sent_whole) from None


def _connection(callee: Callee, network: Network, deadline: float) -> socket.socket:
    if callee.scheme == "http":  # which is the loopback of a laptop alone
        return network.connect(callee.host, callee.port, min(_CONNECT, _left(deadline)))
    addresses = _resolved(callee, network, deadline)
    if not all(map(network.may_call, addresses)):
        raise RelayRefused(RelayReason.ADDRESS_REFUSED, "the name has an address that is not public")
    for number, address in enumerate(addresses[:_MOST_ADDRESSES], 1):
        try:
            connection = network.connect(address, callee.port, min(_CONNECT, _left(deadline)))
            break
        except OSError:
            if number == min(len(addresses), _MOST_ADDRESSES):
                raise
    try:
        connection.settimeout(min(_CONNECT, _left(deadline)))
        return network.tls().wrap_socket(connection, server_hostname=callee.host)
    except BaseException:
        connection.close()
        raise


_RESOLVING: Final = threading.BoundedSemaphore(_MOST_RESOLVING)


def _resolved(callee: Callee, network: Network, deadline: float) -> list[str]:
    """The addresses, in a thread of its own: name resolution takes no timeout."""
    found: list[list[str]] = []
    if not _RESOLVING.acquire(blocking=False):
        raise RelayRefused(RelayReason.UNREACHABLE, "names do not resolve")

    def run() -> None:
        try:
            found.append(network.resolve(callee.host, callee.port))
        except OSError:
            found.append([])
        finally:
            _RESOLVING.release()

    thread = threading.Thread(target=run, name="resolve", daemon=True)
    thread.start()
    thread.join(min(_CONNECT, _left(deadline)))
    if not found or not found[0]:
        raise RelayRefused(RelayReason.UNREACHABLE, "the name does not resolve")
    return found[0]


def _require_readable(response: http.client.HTTPResponse, most: int) -> None:
    lengths, codings = (response.headers.get_all(name, []) for name in ("content-length", "transfer-encoding"))
    encodings, malformed = response.headers.get_all("content-encoding", []), RelayReason.ANSWER_MALFORMED
    _require(200 <= response.status < 600, malformed, "switched to another protocol, or no status")
    plain = all(encoding.strip().lower() == "identity" for encoding in encodings)
    _require(plain, RelayReason.ANSWER_ENCODED, "not the encoding that was asked for")
    _require(len(lengths) + len(codings) <= 1, malformed, "two lengths")
    # As http.client compares it: what that takes for no coding would pass on chunks' sizes amid the key.
    _require(all(coding.lower() == "chunked" for coding in codings), malformed, "a coding that is not chunked")
    _require(all(length.strip().isdecimal() for length in lengths), malformed, "a length that is none")
    _require((response.length or 0) <= most, RelayReason.ANSWER_TOO_LARGE, f"more than {most} bytes")


def _require(holds: bool, reason: RelayReason, detail: str) -> None:
    if not holds:
        raise RelayRefused(reason, detail)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers.setdefault(name.lower(), value)
    return headers


def _refused(error: BaseException, sent: bool) -> BaseException:
    """Any failure as a refusal that quotes nothing; what is no failure of the upstream as it is. An upstream that hung
    up after the whole call was ``sent`` is not unreachable: it may charge for the call."""
    match error:
        case RelayRefused():
            return error
        case TimeoutError():
            return RelayRefused(RelayReason.TOO_SLOW, "no whole answer in time")
        case OSError() if sent:
            return RelayRefused(RelayReason.ANSWER_MALFORMED, f"connection lost ({type(error).__name__})")
        case ssl.SSLError() | OSError():
            return RelayRefused(RelayReason.UNREACHABLE, f"connection failed ({type(error).__name__})")
        case http.client.HTTPException() | ValueError():
            return RelayRefused(RelayReason.ANSWER_MALFORMED, f"not HTTP ({type(error).__name__})")
    return error


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Reader(io.RawIOBase):
    """What comes from a connection: each read within what is left of the deadline, and the header within its size, so
    that an upstream which drips bytes, or interim answers, gains nothing."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self._header_left: int | None = MAX_HEADER_BYTES

    def header_read(self) -> None:
        """The header is over; its body is bounded by who reads it."""
        self._header_left = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(_left(self._deadline))
        if self._header_left is None:
            return self._connection.recv_into(buffer)
        size = self._connection.recv_into(memoryview(buffer)[: max(1, self._header_left)])
        self._header_left -= size
        if self._header_left <= 0:
            raise RelayRefused(RelayReason.ANSWER_MALFORMED, f"a header of more than {MAX_HEADER_BYTES} bytes")
        return size


class _Deadlined:
    """What ``http.client`` sees of a connection."""

    def __init__(self, connection: socket.socket, reader: _Reader, deadline: float) -> None:
        self._connection, self._reader, self._deadline = connection, reader, deadline

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(_left(self._deadline))
        self._connection.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        # A small buffer: what is buffered with the header counts as header.
        return io.BufferedReader(self._reader, 4096)

    def close(self) -> None:
        """Nothing: ``http.client`` closes before the answer is read."""
