"""Where the proxy's connections go: to the address that was judged, with a certificate that names the host."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.upstream_call import Network, call_upstream
from service.relay.upstreams import read_upstreams

from tests.integration.relay_stand import http
from tests.unit.relay.upstream_documents import DOCUMENT


def over_tls(addresses: list[str], network: Network | None = None) -> RelayReason | int:
    """The status of a call of https://api.example.com, or why it failed."""
    upstream = read_upstreams(json.dumps(DOCUMENT))["assistant"]
    found = network or Network(resolve=lambda _host, _port: addresses, connect=no_connection)
    try:
        answer = call_upstream(upstream, "GET", "/", {}, None, network=found, seconds=5)
    except RelayRefused as error:
        return error.reason
    assert b"".join(answer.pieces)
    return answer.status


def no_connection(address: str, port: int, timeout: float) -> socket.socket:
    """Fails the test: the address was to be refused before."""
    raise AssertionError((address, port, timeout))


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], ["8.8.8.8", "10.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["fd00::1"]],
)
def test_names_that_lead_inside_are_not_connected_to(addresses: list[str]) -> None:
    """Also where only one of the addresses does."""
    assert over_tls(addresses) is RelayReason.ADDRESS_REFUSED


def test_names_are_resolved_once_and_the_judged_address_is_called() -> None:
    """The attack: a name that is public when it is judged, and another when it is connected to."""
    asked: list[str] = []
    called: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"]

    def connect(address: str, _port: int, _timeout: float) -> socket.socket:
        called.append(address)
        raise OSError

    network = Network(resolve=resolve, connect=connect)
    assert over_tls([], network) is RelayReason.UNREACHABLE
    assert (asked, called) == (["api.example.com"], ["8.8.8.8"])


@pytest.mark.parametrize("addresses", [[], None])
def test_names_that_do_not_resolve_are_unreachable(addresses: list[str] | None) -> None:
    """Or whose server fails."""

    def resolve(_host: str, _port: int) -> list[str]:
        if addresses is None:
            raise socket.gaierror
        return addresses

    assert over_tls([], Network(resolve=resolve, connect=no_connection)) is RelayReason.UNREACHABLE


@contextmanager
def tls_server(name: str, folder: Path) -> Iterator[tuple[int, Path]]:
    """A server whose certificate is for ``name``; its port, and the certificate."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 7, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(http())
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], path
        thread.join(20)


@pytest.mark.parametrize(("name", "expected"), [("api.example.com", 200), ("evil.example", RelayReason.UNREACHABLE)])
def test_certificates_must_name_the_host(name: str, expected: RelayReason | int, tmp_path: Path) -> None:
    """The attack: another server at the judged address."""
    with tls_server(name, tmp_path) as (port, certificate):
        context = ssl.create_default_context(cafile=str(certificate))
        network = Network(
            resolve=lambda _host, _port: ["8.8.8.8"],
            connect=lambda _address, _port, timeout: socket.create_connection(("127.0.0.1", port), timeout),
            tls=lambda: context,
        )
        assert over_tls([], network) == expected


class _Plain:
    """Stands where TLS is put onto a connection."""

    def wrap_socket(self, connection: socket.socket, *, server_hostname: str) -> socket.socket:
        assert server_hostname == "api.example.com"
        return connection


@pytest.mark.parametrize(("headers", "end"), [("", "closed"), ("Content-Encoding: gzip\r\n", "refused")])
def test_answer_whose_body_is_not_read_leaves_no_connection(headers: str, end: str) -> None:
    """A redirect's body is never asked for. Red before: its connection stayed until the collector came by."""
    ours, theirs = socket.socketpair()
    network = Network(lambda _host, _port: ["8.8.8.8"], lambda _address, _port, _timeout: ours, _Plain)  # type: ignore[arg-type]
    upstream = read_upstreams(json.dumps(DOCUMENT))["assistant"]
    with theirs:
        theirs.sendall(http(headers=headers))
        if end == "refused":
            with pytest.raises(RelayRefused):
                call_upstream(upstream, "GET", "/", {}, None, network=network, seconds=5)
        else:
            answer = call_upstream(upstream, "GET", "/", {}, None, network=network, seconds=5)
            answer.pieces.close()
            answer.pieces.close()
        assert ours.fileno() == -1
