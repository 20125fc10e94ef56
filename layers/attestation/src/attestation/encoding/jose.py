"""The JOSE pieces of ``bonafide_tokens`` for evidence: here, what cannot be read is malformed *evidence*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from bonafide_tokens import jose
from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import EcPublicKey, b64url_encode, es256_matches

from attestation.errors import MalformedEvidence, Reason

__all__ = [
    "EcPublicKey",
    "b64url_decode",
    "b64url_encode",
    "es256_matches",
    "public_key_from_jwk",
    "public_key_from_point",
    "read_json_object",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _read(reader: Callable[_P, _R], reason: Reason, *arguments: _P.args, **named: _P.kwargs) -> _R:
    try:
        return reader(*arguments, **named)
    except Malformed as error:
        raise MalformedEvidence(reason, error.detail) from error


def b64url_decode(text: str) -> bytes:
    """:func:`bonafide_tokens.jose.b64url_decode`. Raises :class:`MalformedEvidence` (``encoding-invalid``)."""
    return _read(jose.b64url_decode, Reason.ENCODING_INVALID, text)


def read_json_object(data: bytes) -> dict[str, object]:
    """:func:`bonafide_tokens.jose.read_json_object`. Raises :class:`MalformedEvidence` (``encoding-invalid``)."""
    return _read(jose.read_json_object, Reason.ENCODING_INVALID, data)


def public_key_from_point(point: bytes) -> EcPublicKey:
    """:func:`bonafide_tokens.jose.public_key_from_point`. Raises :class:`MalformedEvidence` (``key-unreadable``)."""
    return _read(jose.public_key_from_point, Reason.KEY_UNREADABLE, point)


def public_key_from_jwk(jwk: Mapping[str, object]) -> EcPublicKey:
    """:func:`bonafide_tokens.jose.public_key_from_jwk`. Raises :class:`MalformedEvidence` (``key-unreadable``)."""
    return _read(jose.public_key_from_jwk, Reason.KEY_UNREADABLE, jwk)
