"""HPKE (RFC 9180) in base mode for the one suite of sealed secrets, written from the RFC: an oracle for tests alone.

The library's interface takes no ephemeral key and no associated data, so the RFC's vectors cannot be run through it.
They can through this; and this and the library open each other's messages.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEM, KDF, AEAD = 0x0010, 0x0001, 0x0002
_KEM_SUITE = b"KEM" + KEM.to_bytes(2, "big")
_SUITE = b"HPKE" + KEM.to_bytes(2, "big") + KDF.to_bytes(2, "big") + AEAD.to_bytes(2, "big")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Context(NamedTuple):
    """The outcome of the key schedule (§5.1)."""

    key: bytes
    base_nonce: bytes
    exporter_secret: bytes

    def seal(self, plaintext: bytes, aad: bytes = b"", sequence: int = 0) -> bytes:
        return AESGCM(self.key).encrypt(self._nonce(sequence), plaintext, aad)

    def open(self, ciphertext: bytes, aad: bytes = b"", sequence: int = 0) -> bytes:
        return AESGCM(self.key).decrypt(self._nonce(sequence), ciphertext, aad)

    def export(self, context: bytes, length: int) -> bytes:
        return _labeled_expand(_SUITE, self.exporter_secret, b"sec", context, length)

    def _nonce(self, sequence: int) -> bytes:
        return bytes(a ^ b for a, b in zip(self.base_nonce, sequence.to_bytes(12, "big"), strict=True))


def derive_key_pair(ikm: bytes) -> ec.EllipticCurvePrivateKey:
    """§7.1.3, for P-256."""
    prk = _labeled_extract(_KEM_SUITE, b"", b"dkp_prk", ikm)
    for counter in range(256):
        candidate = int.from_bytes(_labeled_expand(_KEM_SUITE, prk, b"candidate", bytes([counter]), 32), "big")
        if 0 < candidate < _ORDER:
            return ec.derive_private_key(candidate, ec.SECP256R1())
    raise AssertionError("no key")


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def sender(recipient: ec.EllipticCurvePublicKey, info: bytes, ephemeral: ec.EllipticCurvePrivateKey) -> Context:
    """SetupBaseS with an ephemeral key of the test's choice; ``enc`` is its point."""
    enc = point_of(ephemeral.public_key())
    shared = _shared_secret(ephemeral.exchange(ec.ECDH(), recipient), enc + point_of(recipient))
    return key_schedule(shared, info)


def recipient(enc: bytes, key: ec.EllipticCurvePrivateKey, info: bytes) -> Context:
    """SetupBaseR."""
    ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    return key_schedule(_shared_secret(key.exchange(ec.ECDH(), ephemeral), enc + point_of(key.public_key())), info)


def key_schedule(shared_secret: bytes, info: bytes) -> Context:
    """§5.1 in mode_base: no pre-shared key."""
    psk_id_hash = _labeled_extract(_SUITE, b"", b"psk_id_hash", b"")
    info_hash = _labeled_extract(_SUITE, b"", b"info_hash", info)
    context = b"\x00" + psk_id_hash + info_hash
    secret = _labeled_extract(_SUITE, shared_secret, b"secret", b"")
    return Context(
        _labeled_expand(_SUITE, secret, b"key", context, 32),
        _labeled_expand(_SUITE, secret, b"base_nonce", context, 12),
        _labeled_expand(_SUITE, secret, b"exp", context, 32),
    )


def _shared_secret(dh: bytes, kem_context: bytes) -> bytes:
    eae_prk = _labeled_extract(_KEM_SUITE, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_SUITE, eae_prk, b"shared_secret", kem_context, 32)


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256)


def _labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    told = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    output, block, counter = b"", b"", 1
    while len(output) < length:
        block = hmac.digest(prk, block + told + bytes([counter]), hashlib.sha256)
        output, counter = output + block, counter + 1
    return output[:length]
