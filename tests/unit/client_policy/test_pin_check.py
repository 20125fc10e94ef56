"""Pins against live chains: a loopback TLS server with minted certificates stands for the host."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bonafide.policies import pin_check
from bonafide.policies.pin_check import HostUnreachable, SeenChain, chain_of, check_pins, spki_sha256
from tests.unit.client_policy.draft import PINS, SOUND, changed, text_of

HOST = "api.example.com"


class Minted:
    """A root and a leaf for :data:`HOST` below it."""

    def __init__(self, folder: Path) -> None:
        self.root_key, self.leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.root = _certificate("root", self.root_key, "root", self.root_key, authority=True)
        self.leaf = _certificate(HOST, self.leaf_key, "root", self.root_key, authority=False)
        self.chain_file, self.root_file = folder / "chain.pem", folder / "root.pem"
        key = self.leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.chain_file.write_bytes(key + self.leaf.public_bytes(Encoding.PEM) + self.root.public_bytes(Encoding.PEM))
        self.root_file.write_bytes(self.root.public_bytes(Encoding.PEM))

    @property
    def pins(self) -> tuple[str, str]:
        """Leaf and root."""
        leaf, root = (spki_sha256(c.public_bytes(Encoding.DER)) for c in (self.leaf, self.root))
        return leaf, root


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    )
    if authority:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(name="minted", scope="module")
def _minted(tmp_path_factory: pytest.TempPathFactory) -> Minted:
    return Minted(tmp_path_factory.mktemp("certificates"))


@contextmanager
def listening(chain_file: Path | None) -> Iterator[int]:
    """A TLS server on the loopback; without a chain, one that accepts and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if chain_file is not None:
        context.load_cert_chain(chain_file)
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                held.append(connection)
                if chain_file is not None:
                    context.wrap_socket(connection, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()


@pytest.fixture(name="look")
def _look(minted: Minted) -> Iterator[Callable[[str], SeenChain]]:
    with listening(minted.chain_file) as port:
        yield lambda host: chain_of(host, port=port, connect_to="127.0.0.1")


def pinned(*pins: str) -> str:
    return changed("pins", to=[{"host": HOST, "spki_sha256": list(pins), "expires": "2029-01-01"}])


@pytest.mark.parametrize("which", [0, 1], ids=["leaf", "root"])
def test_pin_of_any_certificate_in_the_chain_matches(
    minted: Minted, look: Callable[[str], SeenChain], which: int
) -> None:
    """The host's own key, or the one of who vouches for it; the other pin is the backup."""
    assert check_pins(pinned(PINS[0], minted.pins[which]), look=look) == ()


def test_chain_under_a_trusted_root_is_seen_verified(minted: Minted, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an app sees it: with the root, whether or not the host sends that."""
    monkeypatch.setenv("SSL_CERT_FILE", str(minted.root_file))
    with listening(minted.chain_file) as port:
        assert chain_of(HOST, port=port, connect_to="127.0.0.1") == SeenChain(minted.pins, whole=True)


def test_pins_that_match_nothing_are_an_error_that_says_what_is_there(
    minted: Minted, look: Callable[[str], SeenChain]
) -> None:
    """Publishing refuses, and the operator sees what to pin."""
    text = pinned(*PINS)
    (message,) = check_pins(text, look=look)
    assert (message.severity, message.code) == ("error", "pins-match-nothing")
    assert "spki_sha256" in text.splitlines()[message.line - 1]
    assert message.hint == f"it shows {', '.join(minted.pins)}"


def test_host_that_cannot_be_reached_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop without network may publish; the command does not pretend to have looked."""
    monkeypatch.setattr(pin_check, "TIMEOUT", 0.3)
    closed = socket.create_server(("127.0.0.1", 0))
    nobody = closed.getsockname()[1]
    closed.close()
    (message,) = check_pins(pinned(*PINS), look=lambda host: chain_of(host, port=nobody, connect_to="127.0.0.1"))
    assert (message.severity, message.code) == ("warning", "host-unreachable")
    with listening(None) as mute:
        (message,) = check_pins(pinned(*PINS), look=lambda host: chain_of(host, port=mute, connect_to="127.0.0.1"))
    assert (message.severity, message.code) == ("warning", "host-unreachable")


def test_every_host_is_asked_and_named() -> None:
    """One down, one wrong: two messages, each with its host."""

    def look(host: str) -> SeenChain:
        if host == HOST:
            raise HostUnreachable("no answer within 3 seconds")
        return SeenChain((PINS[0].replace("A", "B"),), whole=False)

    first, second = check_pins(text_of(SOUND), look=look)
    assert (first.code, second.code) == ("host-unreachable", "pins-match-nothing")
    assert HOST in first.text
    assert "cdn.example.com" in second.text
    assert "only its own certificate" in second.text


def test_policy_without_pins_asks_no_host() -> None:
    """Nothing to check."""

    def look(host: str) -> SeenChain:
        raise AssertionError(host)

    assert check_pins(changed("pins", to=[]), look=look) == ()
