"""Fetching the trust bundle from servers on the loopback that are down, slow, lying, or just odd."""

from __future__ import annotations

import datetime
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bonafide_tokens.gate import bundle_client
from bonafide_tokens.gate.bundle_client import (
    MAX_BUNDLE_BYTES,
    BundleAddress,
    BundleAnswer,
    BundleUnreachable,
    fetch_bundle,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Script = Callable[[socket.socket, bytes], None]


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that reads one request's header and leaves the rest to ``script``. Yields its port and the requests."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    if context is not None:
                        connection = context.wrap_socket(connection, server_side=True)
                    request = b""
                    while b"\r\n\r\n" not in request:
                        data = connection.recv(4096)
                        if not data:
                            break
                        request += data
                    requests.append(request)
                    script(connection, request)
                    connection.close()
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept up, which closing alone does not
        listener.close()


def saying(*parts: bytes) -> Script:
    """Sends these bytes and closes."""

    def script(connection: socket.socket, _: bytes) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def fetched(script: Script, *, etag: str | None = None, timeout: float = 2.0) -> BundleAnswer:
    with serving(script) as (port, _):
        return fetch_bundle(BundleAddress.parse(f"http://127.0.0.1:{port}/v1/trust-bundle"), etag=etag, timeout=timeout)


@pytest.mark.parametrize(
    ("answer", "text", "etag"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na.b.c", "a.b.c", None),
        (b"HTTP/1.0 200 OK\r\n\r\na.b.c", "a.b.c", None),
        (b'HTTP/1.1 200\r\ncontent-length:5\r\nETag: "7"\r\n\r\na.b.c', "a.b.c", '"7"'),
        (b'HTTP/1.1 200 OK\r\nETag: W/"7"\r\nContent-Length: 6\r\n\r\na.b.c\n', "a.b.c", 'W/"7"'),
        (b"HTTP/1.1 200 OK\r\nETag: 7\r\nContent-Length: 5\r\n\r\na.b.c", "a.b.c", None),
        (b'HTTP/1.1 200 OK\r\nETag: "7\x01"\r\nContent-Length: 5\r\n\r\na.b.c', "a.b.c", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na.\r\n3;x=y\r\nb.c\r\n0\r\n\r\n", "a.b.c", None),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", None),
    ],
)
def test_whole_answer_is_read(answer: bytes, text: str, etag: str | None) -> None:
    """Content-Length, chunked, or to the end of the connection."""
    assert fetched(saying(answer)) == BundleAnswer(text, etag)
    assert fetched(saying(*(answer[i : i + 1] for i in range(len(answer))))) == BundleAnswer(text, etag)


def test_unchanged_bundle_is_told_by_304() -> None:
    """Only to one who asked with an ETag."""
    not_modified = saying(b'HTTP/1.1 304 Not Modified\r\nETag: "8"\r\n\r\n')
    assert fetched(not_modified, etag='"7"') == BundleAnswer(None, '"7"')
    with pytest.raises(BundleUnreachable, match="304"):
        fetched(not_modified)


def test_request_is_plain_and_complete() -> None:
    """One GET, one connection, no encodings, the ETag we hold."""
    with serving(saying(b"HTTP/1.1 304 x\r\n\r\n")) as (port, requests):
        address = BundleAddress.parse(f"http://localhost:{port}/v1/trust-bundle?x=1")
        fetch_bundle(address, etag='"7"', timeout=2.0)
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /v1/trust-bundle?x=1 HTTP/1.1"
    assert f"Host: localhost:{port}" in lines
    assert 'If-None-Match: "7"' in lines
    assert "Connection: close" in lines


@pytest.mark.parametrize(
    ("name", "reason", "answer"),
    [
        ("redirect", "status 302", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"),
        ("permanent redirect", "status 308", b"HTTP/1.1 308 x\r\nLocation: /\r\nContent-Length: 5\r\n\r\na.b.c"),
        ("server error", "status 500", b"HTTP/1.1 500 x\r\nContent-Length: 5\r\n\r\na.b.c"),
        ("not found", "status 404", b"HTTP/1.1 404 x\r\n\r\n"),
        ("no content", "status 204", b"HTTP/1.1 204 x\r\n\r\n"),
        ("partial content", "status 206", b"HTTP/1.1 206 x\r\nContent-Length: 5\r\n\r\na.b.c"),
        ("endless hints", "status 103", b"HTTP/1.1 103 x\r\n\r\n" * 10),
        ("nothing", "too long or cut off", b""),
        ("no HTTP", "not HTTP/1.1", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("HTTP/2", "not HTTP/1.1", b"HTTP/2 200\r\n\r\na.b.c"),
        ("HTTP/0.9", "too long or cut off", b"a.b.c"),
        ("cut off in the header", "too long or cut off", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("cut off in the body", "is cut off", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\na.b.c"),
        ("cut off in a chunk", "is cut off", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\na.b"),
        (
            "cut off between chunks",
            "too long or cut off",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        ),
        (
            "chunk longer than said",
            "chunks are malformed",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "chunk size of no number",
            "chunks are malformed",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
        ),
        (
            "chunk size with an underscore",
            "chunks are malformed",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_0\r\na\r\n",
        ),
        (
            "endless chunk line",
            "too long or cut off",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1" + b";x" * 1000,
        ),
        ("two lengths", "two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\na.b.c"),
        (
            "length and chunks",
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("gzip then chunks", "two lengths", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("negative length", "too large", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\na.b.c"),
        ("length of no number", "too large", b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\na.b.c"),
        ("length in other digits", "too large", "HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\na.b.c".encode("latin-1")),
        ("too long by its own word", "too large", b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n"),
        (
            "compressed",
            "encoding that we did not ask for",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\na.b.c",
        ),
        ("not ASCII", "not a compact JWS", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xc3\xa9"),
        ("folded header", "header is malformed", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\na.b.c"),
        ("header without a name", "header is malformed", b"HTTP/1.1 200 OK\r\n: a\r\n\r\na.b.c"),
        (
            "null byte in a header",
            "header is malformed",
            b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\na.b.c",
        ),
        ("endless header", "too long or cut off", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000),
    ],
)
def test_answer_that_is_not_a_whole_200_is_refused(name: str, reason: str, answer: bytes) -> None:
    """One error, without a quote of what came; no answer redirects us."""
    with pytest.raises(BundleUnreachable, match=re.escape(reason)) as refusal:
        fetched(saying(answer))
    assert "a.b.c" not in str(refusal.value)


def _with_header_of(size: int) -> bytes:
    start, end = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: ", b"\r\n\r\n"
    return start + b"y" * (size - len(start)) + end + b"a.b.c"


def _with_chunk_line_of(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * (size - 2) + b"\r\na.b.c\r\n0\r\n\r\n"


@pytest.mark.parametrize(("made", "limit"), [(_with_header_of, 16_384), (_with_chunk_line_of, 256)])
def test_header_and_chunk_line_end_at_their_limit(made: Callable[[int], bytes], limit: int) -> None:
    """The last byte that fits, and the first that does not: neither depends on how the answer is cut into pieces."""
    assert fetched(saying(made(limit))).text == "a.b.c"
    with pytest.raises(BundleUnreachable, match="too long"):
        fetched(saying(made(limit + 1)))


@pytest.mark.parametrize("length", ["000000005", "000000006"])
def test_length_of_nine_digits_is_a_length(length: str) -> None:
    """As RFC 9110 §8.6 writes it: one or more digits."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\na.b.c\n".encode()
    assert fetched(saying(answer)).text == "a.b.c"


def test_body_of_the_largest_size_is_read() -> None:
    """A megabyte, told in advance or to the end of the connection."""
    body = b"a" * MAX_BUNDLE_BYTES
    told = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    assert fetched(saying(told + body), timeout=10.0).text == body.decode()
    assert fetched(saying(b"HTTP/1.1 200 OK\r\n\r\n" + body), timeout=10.0).text == body.decode()


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["without length", "chunked"],
)
def test_endless_body_is_cut_at_a_megabyte(start: bytes) -> None:
    """Whatever it claims, it does not fill our memory."""
    chunk = b"A" * 65_536
    sent = 0

    def script(connection: socket.socket, _: bytes) -> None:
        nonlocal sent
        connection.sendall(start)
        while sent < 50 * MAX_BUNDLE_BYTES:
            connection.sendall(b"10000\r\n" + chunk + b"\r\n" if b"chunked" in start else chunk)
            sent += len(chunk)

    with pytest.raises(BundleUnreachable, match="too large"):
        fetched(script)
    assert sent < 20 * MAX_BUNDLE_BYTES


def test_server_that_says_nothing_times_out() -> None:
    """The deadline holds for the whole fetch."""
    release = threading.Event()

    def script(_connection: socket.socket, _request: bytes) -> None:
        release.wait(5)

    with pytest.raises(BundleUnreachable, match="in time"):
        fetched(script, timeout=0.2)
    release.set()


def test_server_that_drips_bytes_gets_no_more_time_than_others() -> None:
    """Each byte must not start the clock anew."""
    release = threading.Event()

    def script(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not release.wait(0.02):
            connection.sendall(b"A")

    with pytest.raises(BundleUnreachable, match="in time"):
        fetched(script, timeout=0.3)
    release.set()


def test_server_that_is_down_is_unreachable() -> None:
    """Connection refused is an answer like any other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(BundleUnreachable, match="connection failed"):
        fetch_bundle(BundleAddress.parse(f"http://127.0.0.1:{port}/"), etag=None, timeout=1.0)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bundle",
        "ftp://verifier.example.com/",
        "file:///etc/passwd",
        "http://verifier.example.com/v1/trust-bundle",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.2/",
        "https://user:password@verifier.example.com/",
        "https://verifier.example.com",
        "https://verifier.example.com/#x",
        "https://verifier.example.com/a b",
        "https://verifier.example.com/a\r\nX: y",
        "https://verifier.example.com:0/",
        "https://verifier.example.com:65536/",
        "https://v\u00e9rifier.example.com/",
        "https:///v1",
    ],
)
def test_address_that_is_not_https_is_refused(url: str) -> None:
    """Plain http to the loopback only, and nothing that could smuggle a header."""
    with pytest.raises(ValueError, match=r"."):
        BundleAddress.parse(url)


def test_address_is_taken_apart() -> None:
    """Ports default by scheme; IPv6 loses its brackets."""
    assert BundleAddress.parse("https://v.example/b") == ("https", "v.example", 443, "/b")
    assert BundleAddress.parse("http://[::1]:8700/b?c=d") == ("http", "::1", 8700, "/b?c=d")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(day - datetime.timedelta(days=1))
        .not_valid_after(day + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + built.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "fetches"), [("localhost", True, True), ("localhost", False, False), ("127.0.0.1", True, False)]
)
def test_https_server_must_prove_its_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, fetches: bool
) -> None:
    """An unknown certificate, or one for another name, ends the fetch."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    bundle_client._tls.cache_clear()
    try:
        with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na.b.c"), context) as (port, _):
            address = BundleAddress.parse(f"https://{host}:{port}/")
            if fetches:
                assert fetch_bundle(address, etag=None, timeout=3.0).text == "a.b.c"
            else:
                with pytest.raises(BundleUnreachable, match="SSLCertVerificationError"):
                    fetch_bundle(address, etag=None, timeout=3.0)
    finally:
        bundle_client._tls.cache_clear()
