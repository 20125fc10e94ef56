"""The few JOSE pieces we use: base64url, strict JSON, compact JWS, EC P-256 keys as JWK, ES256.

Written for the authorizer's hot path: the standard library and a few names of ``cryptography``, nothing else. Its types
(here, in ``token``, ``proof``, ``trust_bundle`` and ``route_requirement``) are NamedTuples: ``dataclasses`` imports
``inspect`` and with it ``ast``, ``dis`` and ``tokenize``, a quarter of the authorizer's cold start. Sources: RFC 7515
(JWS), RFC 7517 (JWK), RFC 7518 §3.4 (ES256), RFC 7638 (thumbprint), RFC 8725 (JWT best practice).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from json import JSONDecoder
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from bonafide_tokens.errors import Malformed, Reason, Rejected

_P256: Final = ec.SECP256R1()
_ECDSA: Final = ec.ECDSA(hashes.SHA256())
_COORDINATE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_TO_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")  # what only the other alphabet has becomes a mistake
_PADDING: Final = (b"", b"!", b"==", b"=")  # by length modulo 4; one character left over is a mistake
_LAST_CHARACTERS: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_KEY_REFERENCES: Final = frozenset({"jwk", "jku", "x5c", "x5u"})


# --- base64url ---------------------------------------------------------------------------------------------------


def b64url_encode(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 §2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Strict inverse of :func:`b64url_encode`.

    Raises :class:`Malformed` for padding, characters outside the alphabet, an impossible length, or unused
    bits that are not zero, so that each byte string has exactly one spelling.
    """
    rest = len(text) % 4
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_TO_STANDARD) + _PADDING[rest], strict_mode=True)
    except ValueError as error:
        raise Malformed(Reason.ENCODING_INVALID, "not unpadded base64url") from error
    if rest and text[-1] not in _LAST_CHARACTERS[rest]:
        raise Malformed(Reason.ENCODING_INVALID, "base64url with unused bits set")
    return data


# --- strict JSON -------------------------------------------------------------------------------------------------


def _members_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")  # two parsers would each believe another one (RFC 8725 §2.4)
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_scan: Final = JSONDecoder(object_pairs_hook=_members_once, parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]


def object_member(members: Mapping[str, object], name: str, reason: Reason) -> Mapping[str, object]:
    """A member that must be an object. Raises :class:`Malformed` with ``reason``."""
    value = members.get(name)
    if type(value) is not dict:
        raise Malformed(reason, f"{name} is not an object")
    return value


def whole_member(members: Mapping[str, object], name: str, reason: Reason) -> int:
    """A member that must be a whole number, no floating point: a version, or a time (RFC 9711 §7.2.2). Raises
    :class:`Malformed` with ``reason``."""
    value = members.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Malformed(reason, f"{name} is not a whole number")
    return value


def read_json_object(data: bytes) -> dict[str, object]:
    """Read one JSON object in UTF-8; the caller has bounded the size of ``data``.

    Raises :class:`Malformed` (``encoding-invalid``) for anything else: other JSON values, a repeated member
    at any depth, NaN and Infinity, invalid UTF-8, nesting that exhausts the reader, integers of thousands of digits.
    """
    try:
        text = data.decode("utf-8").strip(" \t\r\n")
        value, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration) as error:  # the last is the scanner's "nothing here"
        raise Malformed(Reason.ENCODING_INVALID, "not one strict JSON object") from error
    if type(value) is not dict or end != len(text):
        raise Malformed(Reason.ENCODING_INVALID, "not one JSON object")
    return value


# --- EC P-256 keys -----------------------------------------------------------------------------------------------


class EcPublicKey(NamedTuple):
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
        return jwk_thumbprint(self.to_jwk())


def public_key_from_point(point: bytes) -> EcPublicKey:
    """Load an uncompressed P-256 point. Raises :class:`Malformed` when it is not one or is off the curve."""
    if len(point) != 65 or point[0] != 4:
        raise Malformed(Reason.KEY_UNREADABLE, "not an uncompressed P-256 point")
    try:
        return EcPublicKey(point[1:33], point[33:], ec.EllipticCurvePublicKey.from_encoded_point(_P256, point))
    except ValueError as error:
        raise Malformed(Reason.KEY_UNREADABLE, "not a point of P-256") from error


def public_key_from_jwk(jwk: Mapping[str, object]) -> EcPublicKey:
    """Load a public EC P-256 JWK (RFC 7518 §6.2).

    Members beyond the required ones are ignored, except private ones, which are refused: an app that sends its
    private key has lost it. Raises :class:`Malformed` with ``key-unreadable``.
    """
    x, y = _coordinates(jwk)
    try:
        return public_key_from_point(b"\x04" + b64url_decode(x) + b64url_decode(y))
    except Malformed as error:
        raise Malformed(Reason.KEY_UNREADABLE, "JWK coordinates are not a point of P-256") from error


def jwk_thumbprint(jwk: Mapping[str, object]) -> str:
    """JWK SHA-256 thumbprint (RFC 7638) of a public EC P-256 JWK, without loading the key.

    Cheap enough for every request. Says nothing about the curve: the code that *uses* the key loads it, which checks.
    Raises :class:`Malformed` with ``key-unreadable`` as :func:`public_key_from_jwk` does.
    """
    x, y = _coordinates(jwk)
    return b64url_encode(sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode("ascii")).digest())


def _coordinates(jwk: Mapping[str, object]) -> tuple[str, str]:
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise Malformed(Reason.KEY_UNREADABLE, "not a public EC P-256 JWK")
    x, y = jwk.get("x"), jwk.get("y")
    if type(x) is not str or type(y) is not str or not _COORDINATE.match(x) or not _COORDINATE.match(y):
        raise Malformed(Reason.KEY_UNREADABLE, "JWK coordinates are not 32 bytes each")
    return x, y


# --- ES256 -------------------------------------------------------------------------------------------------------


def es256_matches(key: EcPublicKey, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (r || s, exactly 64 bytes, RFC 7518 §3.4) is ``key``'s over ``message``."""
    if len(signature) != 64:  # a DER signature, or one padded to slip past a replay memory
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        key.key.verify(encode_dss_signature(r, s), message, _ECDSA)
    except InvalidSignature:
        return False
    return True


# --- compact JWS -------------------------------------------------------------------------------------------------


class CompactJws(NamedTuple):
    """A compact JWS, split and decoded but **not verified**. ``payload`` is foreign until its signature holds."""

    header: Mapping[str, object]
    payload: bytes
    signing_input: bytes
    signature: bytes

    def signed_by(self, key: EcPublicKey) -> bool:
        """Whether the signature is ``key``'s, by ES256 whatever the header says."""
        return es256_matches(key, self.signing_input, self.signature)


MAX_HEADER_CHARACTERS: Final = 4096
"""Longest header segment, whatever the kind: headers are remembered, and a bundle may have a megabyte."""


class JwsKind(NamedTuple):
    """One kind of JWS we read: its ``typ``, its size limit, and the reasons to give when it is not that; ``malformed``
    serves for the other two where they are ``None``.

    ``embeds_key`` tells whether the header carries the signer's public ``jwk`` (proofs do, nothing else may).
    """

    typ: str
    max_characters: int
    malformed: Reason
    algorithm: Reason | None = None
    wrong_type: Reason | None = None
    embeds_key: bool = False


def read_jws(text: str, kind: JwsKind) -> CompactJws:
    """Split a compact JWS and check its header, before any signature is looked at.

    Refused: anything but three strict base64url segments within the size limit, a header that is not a strict JSON
    object, ``crit`` (RFC 7515 §4.1.11: we understand no extension) and ``b64`` (RFC 7797: something else is signed),
    every ``alg`` but ES256 (``none``, or HS256 with the public key as secret), keys brought along (``jwk``, ``x5c``,
    ``jku``, ``x5u``), another ``typ``.
    Raises :class:`Malformed` (``kind.malformed``) or :class:`Rejected` (``kind.algorithm``,
    ``kind.wrong_type``).
    """
    if len(text) > kind.max_characters:
        raise Malformed(kind.malformed, f"more than {kind.max_characters} characters")
    segments = text.split(".", 3)
    if len(segments) != 3 or len(segments[0]) > MAX_HEADER_CHARACTERS:
        raise Malformed(kind.malformed, "not three segments, or a header that is too long")
    try:
        header = _read_header(segments[0], kind)
        payload = b64url_decode(segments[1])
        signature = b64url_decode(segments[2])
    except Malformed as error:
        raise Malformed(kind.malformed, error.detail) from error
    return CompactJws(header, payload, text[: len(segments[0]) + 1 + len(segments[1])].encode("ascii"), signature)


@lru_cache(maxsize=64)
def _read_header(segment: str, kind: JwsKind) -> Mapping[str, object]:
    """The checked header. Remembered, because all tokens of a key share one, and all proofs of an app instance."""
    header = read_json_object(b64url_decode(segment))
    if "crit" in header or "b64" in header:
        raise Malformed(kind.malformed, "the header has extensions that must be understood")
    if header.get("alg") != "ES256":
        raise Rejected(kind.algorithm or kind.malformed, "the algorithm is not ES256")
    brought = _KEY_REFERENCES.intersection(header)
    if brought and not (kind.embeds_key and brought == {"jwk"}):
        raise Rejected(kind.algorithm or kind.malformed, "the header brings its own key")
    if header.get("typ") != kind.typ:
        raise Rejected(kind.wrong_type or kind.malformed, f"typ is not {kind.typ}")
    return MappingProxyType(header)
