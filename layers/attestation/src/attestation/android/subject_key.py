"""The attested key as its certificate holds it, against what KeyMint says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from attestation.android.key_description import ALGORITHM, EC_CURVE, KEY_SIZE, AuthorizationList
from attestation.encoding.subject_key import P256, UNKNOWN_CURVE, SubjectKey
from attestation.errors import Reason, RejectedEvidence


class KeyMintTerms(NamedTuple):
    """A kind of key in KeyMint's numbers: Algorithm, EcCurve, and bits. ``None`` where KeyMint has no word for it."""

    algorithm: int | None = None
    curve: int | None = None
    bits: int | None = None


_RSA: Final = 1
_EC: Final = 3
_ML_DSA: Final = 4
_KEYMINT_ALGORITHMS: Final = frozenset({_RSA, _EC, _ML_DSA})  # others cannot have a certificate, or are new
_CURVE_25519: Final = 4
_TERMS: Final[Mapping[str, KeyMintTerms]] = {
    "ec-p224": KeyMintTerms(_EC, 0, 224),
    P256: KeyMintTerms(_EC, 1, 256),
    "ec-p384": KeyMintTerms(_EC, 2, 384),
    "ec-p521": KeyMintTerms(_EC, 3, 521),
    "sm2": KeyMintTerms(_EC),
    UNKNOWN_CURVE: KeyMintTerms(_EC),
    "x25519": KeyMintTerms(_EC, _CURVE_25519),
    "ed25519": KeyMintTerms(_EC, _CURVE_25519),
    "ml-dsa-44": KeyMintTerms(_ML_DSA),
    "ml-dsa-65": KeyMintTerms(_ML_DSA),
    "ml-dsa-87": KeyMintTerms(_ML_DSA),
}
_UNKNOWN: Final = KeyMintTerms()


def keymint_terms(key: SubjectKey) -> KeyMintTerms:
    """The key in KeyMint's terms."""
    if key.rsa_bits is not None:
        return KeyMintTerms(_RSA, None, key.rsa_bits)
    return _TERMS.get(key.name, _UNKNOWN)


def check_consistency(key: SubjectKey, described: AuthorizationList) -> None:
    """Refuse a description of another kind of key than the certificate holds: glued together, or a lying KeyMint.

    Only what both sides say is compared: StrongBox chips of 2018 name neither size nor curve. Raises
    :class:`RejectedEvidence` (``key-mismatch``).
    """
    held = keymint_terms(key)
    algorithm, size, curve = (described.integer(tag) for tag in (ALGORITHM, KEY_SIZE, EC_CURVE))
    differs = [
        what
        for what, said, is_held in (
            ("algorithm", algorithm if algorithm in _KEYMINT_ALGORITHMS else None, held.algorithm),
            ("size", size, held.bits),
            ("curve", curve, held.curve),
        )
        if said is not None and is_held is not None and said != is_held
    ]
    if differs:
        raise RejectedEvidence(
            Reason.KEY_MISMATCH,
            f"the description's {' and '.join(differs)} differ from the certificate's {key.name} key",
        )
