"""Which kind of key a HUKS certificate attests, read from its SubjectPublicKeyInfo alone (RFC 5280 §4.1.2.7).

Read, not loaded: HUKS attests keys that no library here knows (SM2) or that cannot sign (X25519). Such a key is
described and never used; ES256 needs P-256.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from attestation import der
from attestation.certificate import p256_point
from attestation.jose import public_key_from_point

P256: Final = "ec-p256"
UNKNOWN: Final = "unknown"

_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
_CURVES: Final = {
    "1.3.132.0.33": "ec-p224",
    "1.2.840.10045.3.1.7": P256,
    "1.3.132.0.34": "ec-p384",
    "1.3.132.0.35": "ec-p521",
    "1.2.156.10197.1.301": "sm2",  # GB/T 32918; its certificates use the algorithm of other EC keys
}
_OTHER: Final = {"1.3.101.110": "x25519", "1.3.101.112": "ed25519"}


class AttestedSubject(NamedTuple):
    """``algorithm`` is ``ec-p256``, ``rsa-2048``, ``sm2``, ``x25519`` … or ``unknown``; ``public_key`` the uncompressed
    point of a P-256 key, the SubjectPublicKeyInfo of any other."""

    algorithm: str
    public_key: bytes


def read_subject(spki: bytes) -> AttestedSubject:
    """Describe the key. Raises :class:`MalformedEvidence`, also for a P-256 point that is off its curve."""
    fields = der.Reader(der.single(spki, der.SEQUENCE))
    algorithm = der.Reader(fields.expect(der.SEQUENCE).value)
    bits = der.bit_string(fields.expect(der.BIT_STRING).value)
    fields.finish()
    oid = der.object_identifier(algorithm.expect(der.OBJECT_IDENTIFIER).value)
    if oid == _RSA_ENCRYPTION:
        return AttestedSubject(f"rsa-{_modulus_bits(bits)}", spki)
    if oid == _EC_PUBLIC_KEY and algorithm.peek() == der.OBJECT_IDENTIFIER:
        name = _CURVES.get(der.object_identifier(algorithm.next().value), UNKNOWN)
        if name == P256:
            point = p256_point(spki)
            public_key_from_point(point)  # on the curve, or nobody could ever verify a renewal
            return AttestedSubject(name, point)
        return AttestedSubject(name, spki)
    return AttestedSubject(_OTHER.get(oid, UNKNOWN), spki)


def _modulus_bits(key: bytes) -> int:
    numbers = der.Reader(der.single(key, der.SEQUENCE))
    modulus = numbers.expect(der.INTEGER).value.lstrip(b"\0")
    return 8 * len(modulus) - 8 + modulus[0].bit_length() if modulus else 0
