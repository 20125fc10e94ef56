"""Holds a client policy's pins against what their hosts show right now, before they are published.

A pin that matches nothing locks every app out of its own API, and no later policy can be fetched by an app that pins
the verifier itself.
"""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from attestation.appraisal.lint.message import LintMessage
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service.edge.json_places import places_of
from service.policies.client_policy_document import ClientPolicyDocument

PORT: Final = 443
TIMEOUT: Final = 3.0
"""Seconds for one host: connecting and the handshake, each."""
_AT_A_TIME: Final = 8


class HostUnreachable(Exception):
    """No chain could be seen. The message says why in a few words."""


@dataclass(frozen=True, slots=True)
class SeenChain:
    """What a host showed: SPKI hashes, leaf first. ``whole``: with the issuers, up to the root that vouches for it."""

    spki_sha256: tuple[str, ...]
    whole: bool


def check_pins(
    document: ClientPolicyDocument | str, *, look: Callable[[str], SeenChain] | None = None
) -> tuple[LintMessage, ...]:
    """What the hosts of a client policy (its text, or the document) say about its pins; nothing where a pin matches.

    ``pins-match-nothing`` (error): no pin of a set is in the host's chain. ``host-unreachable`` (warning): not
    known. ``look`` fetches a host's chain. Raises :class:`ValueError` for a text that is no client policy.
    """
    if isinstance(document, str):
        lines: Mapping[Any, int] = places_of(document).lines
        document = ClientPolicyDocument.model_validate_json(document)
    else:
        lines = {}
    found = []
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        seen = list(pool.map(lambda pins: _look_at(pins.host, look or chain_of), document.pins))
    for number, (pins, chain) in enumerate(zip(document.pins, seen, strict=True)):
        line = lines.get(("pins", number, "spki_sha256"), 1)
        if isinstance(chain, HostUnreachable):
            text = f"{pins.host} could not be asked for its certificates: {chain}."
            hint = "check the pins by hand before you publish them"
            found.append(LintMessage(line, "warning", "host-unreachable", "", text, hint))
        elif set(chain.spki_sha256).isdisjoint(pins.spki_sha256):
            text = f"No pin matches what {pins.host} shows{_only_the_leaf(chain)}: apps could not reach it any more."
            hint = f"it shows {', '.join(chain.spki_sha256)}"
            found.append(LintMessage(line, "error", "pins-match-nothing", "", text, hint))
    return tuple(found)


def chain_of(host: str, *, port: int = PORT, connect_to: str | None = None) -> SeenChain:
    """The certificate chain that ``host`` shows, by address ``connect_to`` instead of its own. Raises
    :class:`HostUnreachable`.

    A chain that this machine can verify is taken as verified, as apps take it. One that it cannot (a private root that
    only the app trusts) is taken as presented: nothing is sent over the connection, and only hashes are compared.
    """
    try:
        return _handshake(host, port, connect_to or host, ssl.create_default_context())
    except ssl.SSLCertVerificationError:
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
    except OSError as error:
        raise HostUnreachable(_why(error)) from error
    try:
        return _handshake(host, port, connect_to or host, unverified)
    except OSError as error:
        raise HostUnreachable(_why(error)) from error


def spki_sha256(certificate: bytes) -> str:
    """The pin of a DER certificate: base64 SHA-256 of its SubjectPublicKeyInfo."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(sha256(spki).digest()).decode("ascii")


def _handshake(host: str, port: int, address: str, context: ssl.SSLContext) -> SeenChain:
    with (
        socket.create_connection((address, port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        return _seen(tls, verified=context.verify_mode is ssl.CERT_REQUIRED)


def _seen(tls: ssl.SSLSocket, *, verified: bool) -> SeenChain:
    """Python 3.13 tells whole chains; 3.10 to 3.12 only behind a private name, and the leaf alone where even that is
    missing."""
    name = "get_verified_chain" if verified else "get_unverified_chain"
    teller: Any = getattr(tls, name, None) or getattr(getattr(tls, "_sslobj", None), name, None)
    certificates = [_der(certificate) for certificate in (teller() or () if teller is not None else ())]
    if not certificates:
        leaf = tls.getpeercert(binary_form=True)
        if leaf is None:
            raise HostUnreachable("it showed no certificate")
        return SeenChain((spki_sha256(leaf),), whole=False)
    return SeenChain(tuple(spki_sha256(certificate) for certificate in certificates), whole=True)


def _der(certificate: Any) -> bytes:
    """3.13 gives DER itself, earlier versions an object that can be written as PEM."""
    if isinstance(certificate, bytes):
        return certificate
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())


def _look_at(host: str, look: Callable[[str], SeenChain]) -> SeenChain | HostUnreachable:
    try:
        return look(host)
    except HostUnreachable as unreachable:
        return unreachable
    except ValueError:  # a certificate that cannot be read
        return HostUnreachable("its certificates cannot be read")


def _only_the_leaf(chain: SeenChain) -> str:
    return "" if chain.whole else " (only its own certificate is known here, not those above it)"


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} seconds"
    if isinstance(error, socket.gaierror):
        return "its name has no address"
    return type(error).__name__
