"""The few JOSE pieces we use: base64url, compact JWS, EC P-256 keys as JWK, ES256.

Written for the authorizer's hot path: the standard library and a few names of ``cryptography``, nothing else.
Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 §3.4 (ES256), RFC 7638 (thumbprint).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from .errors import MalformedEvidence, Reason

_P256: Final = ec.SECP256R1()
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*\Z")


def b64url_encode(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=").replace("+", "-").replace("/", "_")


def b64url_decode(text: str) -> bytes:
    """Strict inverse of :func:`b64url_encode`.

    Raises :class:`MalformedEvidence` for padding, characters outside the alphabet, an impossible length, or unused
    bits that are not zero, so that each byte string has exactly one spelling.
    """
    if not _ALPHABET.match(text) or len(text) % 4 == 1:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "not unpadded base64url")
    data = binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    if len(text) % 4 and b64url_encode(data[-(len(data) % 3) :]) != text[-(len(text) % 4) :]:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "base64url with unused bits set")
    return data


@dataclass(frozen=True, slots=True)
class EcPublicKey:
    """A P-256 public key: the coordinates as 32-byte big-endian strings, and the loaded key."""

    x: bytes
    y: bytes
    key: ec.EllipticCurvePublicKey

    @property
    def point(self) -> bytes:
        """The uncompressed point, 65 bytes (SEC 1 §2.3.3)."""
        return b"\x04" + self.x + self.y

    def to_jwk(self) -> dict[str, str]:
        """The public JWK, required members only (RFC 7638 §3.2)."""
        return {"kty": "EC", "crv": "P-256", "x": b64url_encode(self.x), "y": b64url_encode(self.y)}

    def thumbprint(self) -> str:
        """JWK SHA-256 thumbprint (RFC 7638), unpadded base64url: DPoP's ``jkt``."""
        canonical = f'{{"crv":"P-256","kty":"EC","x":"{b64url_encode(self.x)}","y":"{b64url_encode(self.y)}"}}'
        return b64url_encode(sha256(canonical.encode("ascii")).digest())


def public_key_from_point(point: bytes) -> EcPublicKey:
    """Load an uncompressed P-256 point. Raises :class:`MalformedEvidence` when it is not one or is off the curve."""
    if len(point) != 65 or point[0] != 4:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "not an uncompressed P-256 point")
    x, y = point[1:33], point[33:]
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), _P256)
        return EcPublicKey(x, y, numbers.public_key())
    except ValueError as error:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "not a point of P-256") from error


def public_key_from_jwk(jwk: Mapping[str, object]) -> EcPublicKey:
    """Load a public EC P-256 JWK (RFC 7518 §6.2).

    Members beyond the required ones are ignored, except a private ``d``, which is refused: an app that sends its
    private key has lost it. Raises :class:`MalformedEvidence` with ``key-unreadable``.
    """
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "not a public EC P-256 JWK")
    x, y = jwk.get("x"), jwk.get("y")
    if not isinstance(x, str) or not isinstance(y, str) or len(x) != 43 or len(y) != 43:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "JWK coordinates are not 32 bytes each")
    try:
        return public_key_from_point(b"\x04" + b64url_decode(x) + b64url_decode(y))
    except MalformedEvidence as error:
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "JWK coordinates are not a point of P-256") from error
