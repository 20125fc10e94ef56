"""The vectors' keys and signatures: every one follows from a name, so that anyone can mint the files again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from json import dumps
from typing import Any, Final

from bonafide_tokens.jose import EcPublicKey, b64url_encode
from bonafide_tokens.signing import es256_from_der, public_key_of
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5): a private key is 1 … one less."""

NOW: Final = 1_795_000_000
"""Unix seconds, in November 2026: the time of every vector that needs one."""

_DETERMINISTIC: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979


@cache
def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    """The private key called ``name``."""
    number = int.from_bytes(hashlib.sha256(f"bonafide test vectors, {name}".encode()).digest())
    return ec.derive_private_key(number % (ORDER - 1) + 1, ec.SECP256R1())


def public_key(name: str) -> EcPublicKey:
    """Its public half."""
    return public_key_of(private_key(name))


def jwk(name: str) -> dict[str, str]:
    """The same as a JWK."""
    return public_key(name).to_jwk()


def der_signature(name: str, message: bytes) -> bytes:
    """The DER signature that RFC 6979 makes of ``message``."""
    return private_key(name).sign(message, _DETERMINISTIC)


def signature(name: str, message: bytes) -> bytes:
    """The same as r || s."""
    return es256_from_der(der_signature(name, message))


def high_s(raw: bytes) -> bytes:
    """The other signature over the same message: s replaced by the order less s, and never the smaller of both."""
    s = int.from_bytes(raw[32:])
    return raw[:32] + max(s, ORDER - s).to_bytes(32)


def spelled(value: Mapping[str, Any] | bytes) -> bytes:
    """Compact JSON, or bytes as they are: what an attacker writes need not be JSON."""
    return value if isinstance(value, bytes) else dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def signing_input(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
    """The text that is signed."""
    return f"{b64url_encode(spelled(header))}.{b64url_encode(spelled(payload))}"


def jws(name: str, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
    """A compact JWS, truly signed by the key called ``name``, whatever it says."""
    text = signing_input(header, payload)
    return f"{text}.{b64url_encode(signature(name, text.encode()))}"


def with_unused_bits(character: str) -> str:
    """A last character of base64url that has the same two bits that count, and one set that must not be."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) | 1]
