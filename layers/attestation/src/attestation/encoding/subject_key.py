"""Which kind of key an attested certificate holds, read from its SubjectPublicKeyInfo alone (RFC 5280 §4.1.2.7).

Read, not loaded: devices attest keys that no library here knows (SM2, ML-DSA) or that cannot sign (X25519). Such a key
is described and never used; only P-256 keys sign renewals and proofs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from attestation.encoding import der
from attestation.encoding.certificate import p256_point, p256_spki
from attestation.encoding.jose import public_key_from_point

P256: Final = "ec-p256"
UNKNOWN: Final = "unknown"
UNKNOWN_CURVE: Final = "ec-unknown"

_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
_CURVES: Final = {
    "1.3.132.0.33": "ec-p224",
    "1.2.840.10045.3.1.7": P256,
    "1.3.132.0.34": "ec-p384",
    "1.3.132.0.35": "ec-p521",
    "1.2.156.10197.1.301": "sm2",  # GB/T 32918; its certificates use the algorithm of other EC keys
}
_OTHER: Final = {
    "1.3.101.110": "x25519",
    "1.3.101.112": "ed25519",
    "2.16.840.1.101.3.4.3.17": "ml-dsa-44",
    "2.16.840.1.101.3.4.3.18": "ml-dsa-65",
    "2.16.840.1.101.3.4.3.19": "ml-dsa-87",
}
# What nearly every attested key begins with: a named P-256 key, its point uncompressed.
_P256_HEAD: Final = p256_spki(b"\x04")
_P256_OCTETS: Final = len(_P256_HEAD) + 64


class SubjectKey(NamedTuple):
    """``name`` is ``ec-p256``, ``rsa-2048``, ``sm2``, ``ml-dsa-65`` … or ``unknown``; ``public_key`` the uncompressed
    point of a P-256 key, the SubjectPublicKeyInfo of any other; ``rsa_bits`` the size of an RSA modulus."""

    name: str
    public_key: bytes
    rsa_bits: int | None = None


def read_subject_key(spki: bytes) -> SubjectKey:
    """Describe the key. Raises :class:`MalformedEvidence`, also for a P-256 point that is off its curve."""
    if len(spki) == _P256_OCTETS and spki.startswith(_P256_HEAD):
        return _p256(spki)
    fields = der.Reader(der.single(spki, der.SEQUENCE))
    algorithm = der.Reader(fields.expect(der.SEQUENCE).value)
    bits = der.bit_string(fields.expect(der.BIT_STRING).value)
    fields.finish()
    oid = der.object_identifier(algorithm.expect(der.OBJECT_IDENTIFIER).value)
    if oid == _EC_PUBLIC_KEY and algorithm.peek() == der.OBJECT_IDENTIFIER:
        name = _CURVES.get(der.object_identifier(algorithm.next().value), UNKNOWN_CURVE)
        return _p256(spki) if name == P256 else SubjectKey(name, spki)
    if oid == _RSA_ENCRYPTION:
        size = _modulus_bits(bits)
        return SubjectKey(f"rsa-{size}", spki, size)
    return SubjectKey(_OTHER.get(oid, UNKNOWN), spki)


def _p256(spki: bytes) -> SubjectKey:
    point = p256_point(spki)
    public_key_from_point(point)  # on the curve, or no renewal could ever be verified
    return SubjectKey(P256, point)


def _modulus_bits(key: bytes) -> int:
    modulus = der.Reader(der.single(key, der.SEQUENCE)).expect(der.INTEGER).value.lstrip(b"\0")
    return 8 * len(modulus) - 8 + modulus[0].bit_length() if modulus else 0
