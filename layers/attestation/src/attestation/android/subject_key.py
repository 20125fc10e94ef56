"""Which kind of key an attested certificate holds, read from its SubjectPublicKeyInfo alone (RFC 5280 §4.1.2.7).

Read, not loaded: a device may attest a key of a type that no library here knows (ML-DSA came with schema version 500).
Such a key is described and never used; only P-256 keys sign renewals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from attestation import der
from attestation.certificate import p256_point, p256_spki
from attestation.errors import Reason, RejectedEvidence
from attestation.jose import public_key_from_point

from .key_description import ALGORITHM, EC_CURVE, KEY_SIZE, AuthorizationList

P256: Final = "ec-p256"
UNKNOWN: Final = "unknown"

_EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
_RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
# Named curve -> (name, KeyMint EcCurve, bits).
_CURVES: Final = {
    "1.3.132.0.33": ("ec-p224", 0, 224),
    "1.2.840.10045.3.1.7": (P256, 1, 256),
    "1.3.132.0.34": ("ec-p384", 2, 384),
    "1.3.132.0.35": ("ec-p521", 3, 521),
}
# Algorithm -> (name, KeyMint Algorithm, KeyMint EcCurve).
_OTHER: Final = {
    "1.3.101.110": ("x25519", 3, 4),
    "1.3.101.112": ("ed25519", 3, 4),
    "2.16.840.1.101.3.4.3.17": ("ml-dsa-44", 4, None),
    "2.16.840.1.101.3.4.3.18": ("ml-dsa-65", 4, None),
    "2.16.840.1.101.3.4.3.19": ("ml-dsa-87", 4, None),
}
# What nearly every attested key begins with: a named P-256 key, its point uncompressed.
_P256_HEAD: Final = p256_spki(b"\x04")
_P256_OCTETS: Final = len(_P256_HEAD) + 64
_RSA: Final = 1
_EC: Final = 3
_KEYMINT_ALGORITHMS: Final = frozenset({_RSA, _EC, 4})  # those above; others cannot have a certificate, or are new


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """``name`` is ``ec-p256``, ``rsa-2048``, ``ml-dsa-65`` … or ``unknown``; ``public_key`` the uncompressed point of a
    P-256 key, the SubjectPublicKeyInfo of any other. ``algorithm``, ``curve`` and ``bits`` are in KeyMint's terms."""

    name: str
    public_key: bytes
    algorithm: int | None = None
    curve: int | None = None
    bits: int | None = None


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
        curve = _CURVES.get(der.object_identifier(algorithm.next().value))
        if curve is None:
            return SubjectKey(UNKNOWN, spki, _EC)
        name, number, size = curve
        return _p256(spki) if name == P256 else SubjectKey(name, spki, _EC, number, size)
    if oid == _RSA_ENCRYPTION:
        numbers = der.Reader(der.single(bits, der.SEQUENCE))
        modulus = numbers.expect(der.INTEGER).value.lstrip(b"\0")
        size = 8 * len(modulus) - 8 + modulus[0].bit_length() if modulus else 0
        return SubjectKey(f"rsa-{size}", spki, _RSA, None, size)
    other = _OTHER.get(oid)
    return SubjectKey(UNKNOWN, spki) if other is None else SubjectKey(other[0], spki, *other[1:])


def _p256(spki: bytes) -> SubjectKey:
    point = p256_point(spki)
    public_key_from_point(point)  # on the curve, or nobody could ever verify a renewal
    return SubjectKey(P256, point, _EC, 1, 256)


def check_consistency(key: SubjectKey, described: AuthorizationList) -> None:
    """Refuse a description of another kind of key than the certificate holds: glued together, or a lying KeyMint.

    Only what both sides say is compared: StrongBox chips of 2018 name neither size nor curve. Raises
    :class:`RejectedEvidence` (``key-mismatch``).
    """
    algorithm, size, curve = (described.integer(tag) for tag in (ALGORITHM, KEY_SIZE, EC_CURVE))
    differs = [
        what
        for what, said, held in (
            ("algorithm", algorithm if algorithm in _KEYMINT_ALGORITHMS else None, key.algorithm),
            ("size", size, key.bits),
            ("curve", curve, key.curve),
        )
        if said is not None and held is not None and said != held
    ]
    if differs:
        raise RejectedEvidence(
            Reason.KEY_MISMATCH,
            f"the description's {' and '.join(differs)} differ from the certificate's {key.name} key",
        )
