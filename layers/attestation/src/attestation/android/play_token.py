"""Opening a classic Play Integrity token ourselves: a JWE around a JWS, under the app's own response keys.

Sources: https://developer.android.com/google/play/integrity/classic, RFC 7516 (JWE), RFC 7518 §4.4 (A256KW) and §5.3
(A256GCM), RFC 7515 (JWS). The algorithms are constants of this module, never the token's choice: ``dir`` with the same
32 bytes, or an inner HS256 keyed with the public key's bytes, are how such tokens get forged elsewhere.

Standard tokens are opaque; only Google's server opens them (``decodeIntegrityToken``).
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from attestation.encoding.certificate import p256_point
from attestation.encoding.jose import EcPublicKey, b64url_decode, es256_matches, public_key_from_point, read_json_object
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.reference_values import PlayIntegrityKeys

MAX_TOKEN_CHARACTERS: Final = 24 * 1024
"""Longest token that is opened. Real ones have 2 to 4 KB."""
_KEY_OCTETS: Final = 32
_IV_OCTETS: Final = 12
_TAG_OCTETS: Final = 16
# Header members that would change how the rest is read.
_FORBIDDEN: Final = frozenset({"crit", "zip", "b64", "jwk", "jku", "x5c", "x5u", "epk", "apu", "apv", "p2s", "p2c"})


def play_integrity_keys(*, decryption_key: str, verification_key: str) -> PlayIntegrityKeys:
    """A key pair from the two texts that the Play Console shows: *standard* base64 of 32 bytes, and of DER.

    Raises :class:`ValueError` with a sentence that names neither key.
    """
    try:
        secret = binascii.a2b_base64(decryption_key.strip(), strict_mode=True)
        spki = binascii.a2b_base64(verification_key.strip(), strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("a Play Integrity key is not standard base64") from None
    if len(secret) != _KEY_OCTETS:
        raise ValueError(f"the Play Integrity decryption key has {len(secret)} bytes, not {_KEY_OCTETS}")
    try:
        _verification_key(spki)
    except MalformedEvidence:
        raise ValueError("the Play Integrity verification key is no P-256 public key") from None
    return PlayIntegrityKeys(decryption_key=secret, verification_key=spki)


def is_classic_token(token: str) -> bool:
    """Whether the token looks like a classic one, which the app's own keys may open. Standard tokens have no dots."""
    return token.count(".") == 4


def open_classic_token(token: str, keys: Sequence[PlayIntegrityKeys]) -> bytes:
    """The payload (JSON) of a classic token, decrypted by one of ``keys`` and signed by that pair's other half.

    Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence`: ``integrity-token-algorithm``,
    ``integrity-token-key`` (none of the keys fits, also when Google kept them), ``integrity-token-signature``, and
    ``reference-values-missing`` when the app has no keys.
    """
    if not keys:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app has no Play Integrity response keys")
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"integrity token over {MAX_TOKEN_CHARACTERS} characters")
    segments = token.split(".", 5)
    if len(segments) != 5:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "not a JWE of five segments: a standard token, perhaps")
    _check_header(segments[0], alg="A256KW", enc="A256GCM")
    wrapped, iv, ciphertext, tag = map(b64url_decode, segments[1:])
    if (len(wrapped), len(iv), len(tag)) != (_KEY_OCTETS + 8, _IV_OCTETS, _TAG_OCTETS):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a JWE segment has not the length of its algorithm")
    for pair in keys:
        try:
            content_key = aes_key_unwrap(pair.decryption_key, wrapped)
            inner = AESGCM(content_key).decrypt(iv, ciphertext + tag, segments[0].encode("ascii"))
        except (InvalidUnwrap, InvalidTag):
            continue
        return _signed_payload(inner, pair)
    raise RejectedEvidence(Reason.INTEGRITY_TOKEN_KEY, f"none of {len(keys)} decryption key(s) opens the token")


def _signed_payload(inner: bytes, pair: PlayIntegrityKeys) -> bytes:
    segments = inner.split(b".")
    if len(segments) != 3:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the JWE does not hold a JWS of three segments")
    try:
        header, payload, signature = (segment.decode("ascii") for segment in segments)
    except UnicodeDecodeError as error:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "the inner JWS is not ASCII") from error
    _check_header(header, alg="ES256")
    key = _verification_key(pair.verification_key)
    if not es256_matches(key, f"{header}.{payload}".encode("ascii"), b64url_decode(signature)):
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_SIGNATURE, "not signed by the key that belongs to the decryption")
    return b64url_decode(payload)


def _check_header(segment: str, **algorithms: str) -> None:
    header = read_json_object(b64url_decode(segment))
    if any(header.get(name) != algorithm for name, algorithm in algorithms.items()):
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_ALGORITHM, f"not {' and '.join(algorithms.values())}")
    if not _FORBIDDEN.isdisjoint(header):
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_ALGORITHM, "the header asks for more than the plain algorithm")


@lru_cache(maxsize=64)
def _verification_key(spki: bytes) -> EcPublicKey:
    return public_key_from_point(p256_point(spki))
