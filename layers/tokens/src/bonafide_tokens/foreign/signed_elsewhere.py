"""JWTs that other parties sign: their keys as a JWK Set, and signatures by RS256 or ES256, whichever the key is for.

The algorithm is the key's, never the header's word alone: an HMAC with a public key as its secret has no key here.
Sources: RFC 7515 (JWS), RFC 7517 §5 (JWK Set), RFC 7518 §3.3 and §6.3 (RS256), RFC 8725 (JWT best practice).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from bonafide_tokens.errors import Malformed, Reason, TokenError
from bonafide_tokens.jose import (
    MAX_HEADER_CHARACTERS,
    b64url_decode,
    es256_matches,
    public_key_from_jwk,
    read_json_object,
)

MOST_KEYS: Final = 32
MAX_CHARACTERS: Final = 16_384
_BITS: Final = range(2_048, 8_193)
_FORBIDDEN: Final = frozenset({"crit", "b64", "jwk", "jku", "x5c", "x5u"})


class ForeignKey(NamedTuple):
    """A public key of another party: the one algorithm it is for, and its check of (message, signature)."""

    algorithm: str
    matches: Callable[[bytes, bytes], bool]


class ForeignToken(NamedTuple):
    """A JWT, split and decoded but **not verified**."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    def signed_by(self, keys: Mapping[str, ForeignKey]) -> bool:
        """Whether the key that the header names is among ``keys``, is for the header's algorithm, and signed."""
        key = keys.get(self.header["kid"])
        if key is None or key.algorithm != self.header["alg"]:
            return False
        return key.matches(self.signing_input, self.signature)


def read_foreign_token(text: str, *, algorithms: frozenset[str], kid_needed: bool = True) -> ForeignToken:
    """Split a compact JWS, of one of the ``algorithms``, with a ``kid``, of type ``JWT`` or none, that brings no key
    along and has no extension which must be understood.

    Raises :class:`Malformed` (``token-malformed``), for the caller to answer with a reason of its own.
    """
    segments = text.split(".", 3)
    if len(text) > MAX_CHARACTERS or len(segments) != 3 or len(segments[0]) > MAX_HEADER_CHARACTERS:
        raise _malformed("not three segments, or too long")
    try:
        header, claims = (read_json_object(b64url_decode(segment)) for segment in segments[:2])
        signature = b64url_decode(segments[2])
    except TokenError as error:
        raise _malformed(error.detail) from error
    kind = header.get("typ", "JWT")
    if not _FORBIDDEN.isdisjoint(header) or type(kind) is not str or kind.upper() != "JWT":
        raise _malformed("a header with extensions, with a key, or of another type")
    if header.get("alg") not in algorithms:
        raise _malformed("an algorithm that is not expected")
    kid = header.get("kid")
    if kid_needed and (type(kid) is not str or not 0 < len(kid) <= 256):
        raise _malformed("no kid")
    return ForeignToken(header, claims, text[: text.rindex(".")].encode("ascii"), signature)


def read_foreign_keys(members: Mapping[str, Any]) -> dict[str, ForeignKey]:
    """The keys of a JWK Set that verify RS256 or ES256, by ``kid``; others are left out.

    Raises :class:`Malformed` (``key-unreadable``) for what is no set, too many keys, two keys of one ``kid``, or an RSA
    key that is too weak or too large.
    """
    listed = members.get("keys")
    if type(listed) is not list or len(listed) > MOST_KEYS:
        raise Malformed(Reason.KEY_UNREADABLE, "not a JWK Set, or one of too many keys")
    keys: dict[str, ForeignKey] = {}
    for jwk in listed:
        if type(jwk) is not dict or jwk.get("use", "sig") != "sig" or type(jwk.get("kid")) is not str:
            continue
        if jwk["kid"] in keys:
            raise Malformed(Reason.KEY_UNREADABLE, "two keys of one kid")
        if jwk.get("kty") == "RSA" and jwk.get("alg", "RS256") == "RS256":
            keys[jwk["kid"]] = ForeignKey("RS256", _rsa(jwk))
        elif jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" and jwk.get("alg", "ES256") == "ES256":
            keys[jwk["kid"]] = ForeignKey("ES256", partial(es256_matches, public_key_from_jwk(jwk)))
    return keys


def _rsa(jwk: Mapping[str, Any]) -> Callable[[bytes, bytes], bool]:
    if not {"d", "p", "q", "dp", "dq", "qi", "oth"}.isdisjoint(jwk):
        raise Malformed(Reason.KEY_UNREADABLE, "a private key")
    modulus, exponent = (jwk.get(name) for name in ("n", "e"))
    if type(modulus) is not str or type(exponent) is not str or len(modulus) > 1_400 or len(exponent) > 8:
        raise Malformed(Reason.KEY_UNREADABLE, "not an RSA key")
    number, power = (int.from_bytes(b64url_decode(text)) for text in (modulus, exponent))
    if number.bit_length() not in _BITS or power != 65_537:
        raise Malformed(Reason.KEY_UNREADABLE, "an RSA key of an odd size or exponent")
    try:
        key = RSAPublicNumbers(power, number).public_key()
    except ValueError as error:
        raise Malformed(Reason.KEY_UNREADABLE, "not an RSA key") from error

    def matches(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    return matches


def _malformed(detail: str) -> Malformed:
    return Malformed(Reason.TOKEN_MALFORMED, detail)
