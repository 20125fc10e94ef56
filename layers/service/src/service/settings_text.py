"""How settings are read: from texts of the environment, each by a parser that says what it must be.

A parser returns the value of a text, or raises ``ValueError`` with what the text must be.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor
from bonafide_tokens.errors import BonafideError, TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.new_routes import check_rebuilt
from bonafide_tokens.origin_secret import origin_secret_hashes
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.trust_bundle import root_public_keys

_S = TypeVar("_S")
PARSER: Final = "parser"
"""The metadata of a field that says how its text is read."""

LONGEST_TOKEN_SECONDS: Final = 3_600
"""The most that a token may live, as in template.yaml: blocked keys are named, and keys of lost regions listed, for as
long as any token can count."""

_HEADER: Final = re.compile("[A-Za-z0-9-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?")


class SettingsError(Exception):
    """A setting is missing or unusable. The message names the variable and says what it must be."""


def read_settings(kind: type[_S], env: Mapping[str, str]) -> _S:
    """The settings of ``kind`` from ``env``. Raises :class:`SettingsError`."""
    values: dict[str, object] = {}
    for member in fields(cast(Any, kind)):
        variable = member.name.upper()
        text = env.get(variable)
        if text is None and member.default is not MISSING:
            continue
        parse: Callable[[str], object] = member.metadata.get(PARSER, present)
        try:
            values[member.name] = parse(text or "")
        except ValueError as error:
            raise SettingsError(f"environment variable {variable} {error}") from None
    return kind(**values)


def variables(kind: type[object]) -> frozenset[str]:
    """The environment variables that settings of ``kind`` read."""
    return frozenset(member.name.upper() for member in fields(cast(Any, kind)))


def present(text: str) -> str:
    """A text that is there."""
    if not text:
        raise ValueError("must not be empty or missing")
    return text


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**9:
        raise ValueError("must be a positive whole number")
    return int(text)


def natural(text: str) -> int:
    """A whole number."""
    return 0 if text == "0" else positive(text)


def token_seconds(text: str) -> int:
    """How long tokens live: a whole number above 0, at most :data:`LONGEST_TOKEN_SECONDS`."""
    seconds = positive(text)
    if seconds > LONGEST_TOKEN_SECONDS:
        raise ValueError(f"must be at most {LONGEST_TOKEN_SECONDS:,}")
    return seconds


def stressed_seconds(text: str) -> int:
    """The same, or 0."""
    return 0 if text == "0" else token_seconds(text)


def header_or_none(text: str) -> str:
    """The name of a header, or empty for none."""
    if text and _HEADER.fullmatch(text) is None:
        raise ValueError("must be empty or the name of a header")
    return text


def header(text: str) -> str:
    """The name of a header."""
    return header_or_none(present(text))


def names(text: str) -> tuple[str, ...]:
    """Names, at least one, separated by commas."""
    found = tuple(name.strip() for name in present(text).split(","))
    if not all(found):
        raise ValueError("must be names, separated by commas")
    return found


def origin_or_none(text: str) -> str:
    """The beginning of URLs, without a slash at its end, or empty for none."""
    if text and _ORIGIN.fullmatch(text) is None:
        raise ValueError("must be empty or like https://api.example.com or https://api.example.com/base")
    return text.rstrip("/")


def root_keys(text: str) -> tuple[EcPublicKey, ...]:
    """Root keys, each the base64url of an uncompressed P-256 point, separated by commas."""
    try:
        return root_public_keys(text)
    except TokenError:
        raise ValueError("must be one to four uncompressed P-256 points in base64url, separated by commas") from None


def root_keys_or_none(text: str) -> tuple[EcPublicKey, ...]:
    """The same, none where the text is empty."""
    return root_keys(text) if text else ()


def one_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """A member of an enumeration, by its value."""

    def parse(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"must be {' or '.join(kind)}") from None

    return parse


def certificate(text: str) -> bytes:
    """A DER certificate in base64, unread."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("must be a DER certificate in base64") from None


def anchors(text: str) -> tuple[TrustAnchor, ...]:
    """DER certificates in base64, separated by commas."""
    try:
        return tuple(
            TrustAnchor.of(read_certificate(base64.b64decode(item.strip(), validate=True)))
            for item in text.split(",")
            if item.strip()
        )
    except (binascii.Error, BonafideError):
        raise ValueError("must be DER certificates in base64, separated by commas") from None


def routes(text: str) -> tuple[RouteRequirement, ...]:
    """Route requirements as JSON."""
    try:
        rows = json.loads(text)
        read = tuple(RouteRequirement(method, path, Requirement(need), *more) for method, path, need, *more in rows)
    except (TypeError, ValueError):
        raise ValueError('must be JSON like [["GET","/v1/whoami","token"],["*","/*","proof"]]') from None
    for route in read:
        check_rebuilt(route, "rest")  # the stack's own API is one
    return read


def origin_secrets(text: str) -> tuple[bytes, ...]:
    """Hashes of the secret that an edge sends."""
    try:
        return origin_secret_hashes(text)
    except ValueError:  # its own words would quote the value
        raise ValueError("must be empty, or one or two SHA-256 hashes in hexadecimal") from None
