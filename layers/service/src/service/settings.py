"""Settings: one frozen dataclass per function, read from the environment.

A field named ``apps_table`` is the variable ``APPS_TABLE``. A test proves that template, dataclasses and events agree.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeVar, cast

from attestation.certificate import read_certificate
from attestation.endorsements import TrustAnchor
from attestation.errors import AttestationError
from attestation.route_requirement import Requirement, RouteRequirement

_S = TypeVar("_S")
_PARSER: Final = "parser"


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
        parse: Callable[[str], object] = member.metadata.get(_PARSER, _text)
        try:
            values[member.name] = parse(text or "")
        except ValueError as error:
            raise SettingsError(f"environment variable {variable} {error}") from None
    return kind(**values)


def variables(kind: type[object]) -> frozenset[str]:
    """The environment variables that settings of ``kind`` read."""
    return frozenset(member.name.upper() for member in fields(cast(Any, kind)))


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty or missing")
    return text


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 10**9:
        raise ValueError("must be a positive whole number")
    return int(text)


def _anchors(text: str) -> tuple[TrustAnchor, ...]:
    try:
        return tuple(
            TrustAnchor.of(read_certificate(base64.b64decode(item.strip(), validate=True)))
            for item in text.split(",")
            if item.strip()
        )
    except (binascii.Error, AttestationError):
        raise ValueError("must be DER certificates in base64, separated by commas") from None


def _routes(text: str) -> tuple[RouteRequirement, ...]:
    try:
        return tuple(RouteRequirement(method, path, Requirement(need)) for method, path, need in json.loads(text))
    except (TypeError, ValueError):
        raise ValueError('must be JSON like [["GET","/v1/whoami","token"],["*","/*","proof"]]') from None


_POSITIVE: Final = {_PARSER: _positive}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChallengeSettings:
    """``issue_challenge``: the sealing key, nothing else."""

    stage: str
    stack_name: str
    signing_keys_table: str
    wrapping_key_id: str
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewTokenSettings:
    """``renew_token``. ``token_audience`` is for apps that name none; ``key_idle_days`` the life of an unused key."""

    stage: str
    stack_name: str
    apps_table: str
    nonces_table: str
    attested_keys_table: str
    signing_keys_table: str
    wrapping_key_id: str
    token_issuer: str
    token_audience: str
    token_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    key_idle_days: int = field(default=90, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraiseEvidenceSettings(RenewTokenSettings):
    """``appraise_evidence``. ``development_trust_anchors`` are test roots, for stages other than production."""

    development_trust_anchors: tuple[TrustAnchor, ...] = field(default=(), metadata={_PARSER: _anchors})

    def __post_init__(self) -> None:
        # The attack: anyone holding the test root's key mints "genuine" devices. The template has the same rule.
        if self.development_trust_anchors and self.stage.lower().startswith("prod"):
            raise SettingsError("environment variable DEVELOPMENT_TRUST_ANCHORS must be empty when STAGE is prod")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePolicySettings:
    """``serve_policy``: the stored trust bundles of one issuer."""

    stage: str
    stack_name: str
    trust_bundles_table: str
    token_issuer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSigningKeySettings:
    """``rotate_signing_key``. ``guarded_api_routes`` are the route requirements of the API ``token_audience``."""

    stage: str
    stack_name: str
    signing_keys_table: str
    trust_bundles_table: str
    root_key_id: str
    wrapping_key_id: str
    token_issuer: str
    token_audience: str
    guarded_api_routes: tuple[RouteRequirement, ...] = field(metadata={_PARSER: _routes})
    token_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    bundle_lifetime_seconds: int = field(default=21_600, metadata=_POSITIVE)
    signing_key_days: int = field(default=30, metadata=_POSITIVE)
