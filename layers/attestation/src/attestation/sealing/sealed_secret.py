"""Sealed secrets: HPKE (RFC 9180) in base mode, one message per secret and per request.

The suite is DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: what CryptoKit, Android's Keystore and HUKS can open
with a key that never leaves them. There is no associated data; everything that a secret is bound to is in ``info``.

HPKE opens whatever ``info`` the caller gives. So a client takes name and least version from its verified client policy,
and the other three members from its own enrolment, never from the answer that brought the secret.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from attestation.encoding.jose import EcPublicKey
from attestation.sealing.secret_name import MAX_VERSION

SUITE_NAME: Final = "DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
ENC_BYTES: Final = 65
"""Length of ``enc``, the encapsulated key: an uncompressed point (RFC 9180 §7.1)."""

_LABEL: Final = b"bonafide sealed secret v1"
_MAX_MEMBER: Final = 0xFFFF


class CannotOpen(Exception):
    """The message was not sealed to this key for this binding, or was changed. It never says which."""


class SealedSecret(NamedTuple):
    """``enc`` is the encapsulated key, ``ciphertext`` the value with its tag of 16 bytes."""

    enc: bytes
    ciphertext: bytes


class SecretBinding(NamedTuple):
    """What a sealed secret is bound to. ``issuer`` is the token's, ``key_id`` the attested key's."""

    issuer: str
    app: str
    key_id: str
    name: str
    version: int

    def info(self) -> bytes:
        """The ``info`` of HPKE: a label, then each text behind its length in two bytes, then the version in eight.

        No two bindings have the same bytes: each text says where it ends. Numbers are big-endian, texts UTF-8. Raises
        :class:`ValueError` for a text of more than 65,535 bytes, or a version that is none.
        """
        if not 1 <= self.version <= MAX_VERSION:
            raise ValueError("a version is a whole number from 1")
        parts = [_LABEL]
        for text in (self.issuer, self.app, self.key_id, self.name):
            encoded = text.encode("utf-8")
            if len(encoded) > _MAX_MEMBER:
                raise ValueError("a member of the binding is too long")
            parts += (len(encoded).to_bytes(2, "big"), encoded)
        parts.append(self.version.to_bytes(8, "big"))
        return b"".join(parts)


def seal(value: bytes, *, sealing_key: EcPublicKey, binding: SecretBinding) -> SealedSecret:
    """Seal ``value`` to ``sealing_key``. Each call draws a key of its own, so no two results are the same."""
    sealed = _suite().encrypt(value, sealing_key.key, binding.info())
    return SealedSecret(sealed[:ENC_BYTES], sealed[ENC_BYTES:])


def open_sealed(sealed: SealedSecret, *, sealing_key: ec.EllipticCurvePrivateKey, binding: SecretBinding) -> bytes:
    """The value. Raises :class:`CannotOpen`, whatever is wrong with the message or the binding."""
    if len(sealed.enc) != ENC_BYTES:
        raise CannotOpen
    try:
        return _suite().decrypt(sealed.enc + sealed.ciphertext, sealing_key, binding.info())
    except (InvalidTag, ValueError):
        raise CannotOpen from None


def _suite() -> Suite:
    return Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
