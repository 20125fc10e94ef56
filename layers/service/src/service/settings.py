"""Settings: one frozen dataclass per function, read from the environment.

A field named ``apps_table`` is the variable ``APPS_TABLE``. A test proves that template, dataclasses and events agree.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.harmony.simulator import is_simulator_root
from bonafide_tokens.errors import BonafideError, TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.origin_secret import origin_secret_hashes
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.trust_bundle import root_public_key

from service.fallback_modes import KeyRows, OnPlayUnavailable, OnStale, PolicyApproval
from service.vendors.outbound import check_url

_S = TypeVar("_S")
_PARSER: Final = "parser"
_HEADER: Final = re.compile("[A-Za-z0-9-]{1,64}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?")
PLAY_ENDPOINT: Final = "https://playintegrity.googleapis.com"


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


def _natural(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _header_or_none(text: str) -> str:
    if text and _HEADER.fullmatch(text) is None:
        raise ValueError("must be empty or the name of a header")
    return text


def _header(text: str) -> str:
    return _header_or_none(_text(text))


def _origin_or_none(text: str) -> str:
    if text and _ORIGIN.fullmatch(text) is None:
        raise ValueError("must be empty or like https://api.example.com or https://api.example.com/base")
    return text.rstrip("/")


def _public_key(text: str) -> EcPublicKey:
    try:
        return root_public_key(text)
    except TokenError:
        raise ValueError("must be the base64url of an uncompressed P-256 point") from None


def _one_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"must be {' or '.join(kind)}") from None

    return parse


def _certificate(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("must be a DER certificate in base64") from None


def _anchors(text: str) -> tuple[TrustAnchor, ...]:
    try:
        return tuple(
            TrustAnchor.of(read_certificate(base64.b64decode(item.strip(), validate=True)))
            for item in text.split(",")
            if item.strip()
        )
    except (binascii.Error, BonafideError):
        raise ValueError("must be DER certificates in base64, separated by commas") from None


def _routes(text: str) -> tuple[RouteRequirement, ...]:
    try:
        rows = json.loads(text)
        return tuple(RouteRequirement(method, path, Requirement(need), *tier) for method, path, need, *tier in rows)
    except (TypeError, ValueError):
        raise ValueError('must be JSON like [["GET","/v1/whoami","token"],["*","/*","proof"]]') from None


def _origin_secrets(text: str) -> tuple[bytes, ...]:
    try:
        return origin_secret_hashes(text)
    except ValueError:  # its own words would quote the value
        raise ValueError("must be empty, or one or two SHA-256 hashes in hexadecimal") from None


_POSITIVE: Final = {_PARSER: _positive}
_ORIGIN_SECRETS: Final = {_PARSER: _origin_secrets}
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """What every function is told: its stack, and the stage that this is."""

    stage: str
    stack_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChallengeSettings(StackSettings):
    """``issue_challenge``: the sealing key, and who may call (``origin_secret_hashes``)."""

    signing_keys_table: str
    wrapping_key_id: str
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    allowed_origin: str = "*"
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings(StackSettings):
    """What both judging functions need. ``token_audience`` is for apps that name none; ``key_idle_days`` the life of an
    unused key; ``allowed_origin`` the web origin that may read answers (CORS).

    ``development_trust_anchors`` are test roots, for stages other than production; ``openharmony_simulator_root`` is
    the certificate of the simulator whose keys are public, for development stages alone.
    ``endorsements_max_age_seconds`` is how old Google's status list may be, ``on_endorsements_stale`` what is done with
    an older one. The Play settings are those of :class:`~service.vendors.play_integrity.PlayIntegrity`.
    ``country_header`` is the header in which a CDN names the caller's country, empty for none, and
    ``origin_secret_hashes`` what is known of the CDN's secret (:mod:`bonafide_tokens.origin_secret`). ``key_rows`` is
    the form in which claims are written.
    """

    apps_table: str
    builds_table: str
    policies_table: str
    nonces_table: str
    attested_keys_table: str
    signing_keys_table: str
    endorsements_table: str
    app_secrets_table: str
    play_requests_table: str
    wrapping_key_id: str
    token_issuer: str
    token_audience: str
    token_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    key_idle_days: int = field(default=90, metadata=_POSITIVE)
    development_trust_anchors: tuple[TrustAnchor, ...] = field(default=(), metadata={_PARSER: _anchors})
    openharmony_simulator_root: bytes = field(default=b"", metadata={_PARSER: _certificate})
    endorsements_max_age_seconds: int = field(default=_DAY, metadata=_POSITIVE)
    on_endorsements_stale: OnStale = field(default=OnStale.REFUSE, metadata={_PARSER: _one_of(OnStale)})
    play_decode_endpoint: str = field(default=PLAY_ENDPOINT, metadata={_PARSER: check_url})
    play_daily_quota: int = field(default=10_000, metadata={_PARSER: _natural})
    play_enrolment_reserve: int = field(default=5_000, metadata={_PARSER: _natural})
    on_play_unavailable: OnPlayUnavailable = field(
        default=OnPlayUnavailable.REFUSE, metadata={_PARSER: _one_of(OnPlayUnavailable)}
    )
    key_rows: KeyRows = field(default=KeyRows.PACKED, metadata={_PARSER: _one_of(KeyRows)})
    allowed_origin: str = "*"
    country_header: str = field(default="", metadata={_PARSER: _header_or_none})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)

    def __post_init__(self) -> None:
        # The attack: anyone holding the test root's key mints "genuine" devices. The template has the same rules.
        if self.development_trust_anchors and self.stage.lower().startswith("prod"):
            raise SettingsError("environment variable DEVELOPMENT_TRUST_ANCHORS must be empty when STAGE is prod")
        if any(is_simulator_root(anchor.spki) for anchor in self.development_trust_anchors):
            raise SettingsError(
                "environment variable DEVELOPMENT_TRUST_ANCHORS must not hold the OpenHarmony simulator's root, which "
                "has its own: OPENHARMONY_SIMULATOR_ROOT"
            )
        # The simulator's CA keys are published: anyone can mint its keys.
        if self.openharmony_simulator_root and self.stage != "dev":
            raise SettingsError("environment variable OPENHARMONY_SIMULATOR_ROOT must be empty unless STAGE is dev")

    def trusted_roots(self) -> Endorsements:
        """The pinned roots, and those of this stage. Raises :class:`SettingsError` for another simulator's root."""
        roots = pinned_endorsements().with_development_anchors(self.development_trust_anchors)
        if not self.openharmony_simulator_root:
            return roots
        try:
            return roots.with_openharmony_simulator(self.openharmony_simulator_root)
        except ValueError as error:
            raise SettingsError(f"environment variable OPENHARMONY_SIMULATOR_ROOT is {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraiseEvidenceSettings(JudgingSettings):
    """``appraise_evidence``. ``enrolments_per_device_day`` is the bound of
    :class:`~service.tables.device_bound.DeviceBound`;
    0 for none."""

    enrolments_per_device_day: int = field(default=0, metadata={_PARSER: _natural})


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewTokenSettings(JudgingSettings):
    """``renew_token``. ``signal_memory_seconds`` is how long hostile signals of a refused renewal count against later
    ones; 0 forgets them at once. ``publish_bundle_function`` is invoked when a rule blocked a key."""

    revocations_table: str
    publish_bundle_function: str
    signal_memory_seconds: int = field(default=_DAY, metadata={_PARSER: _natural})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSignalSettings(StackSettings):
    """``report_signal``. ``root_public_key`` is the one key that trust bundles are verified with; ``external_origin``
    what clients see before the verifier API's own paths, empty for the API's own domain;
    ``publish_bundle_function`` what is invoked when a key was blocked; ``key_rows`` the form in which notes are
    written."""

    attested_keys_table: str
    nonces_table: str
    policies_table: str
    revocations_table: str
    signing_keys_table: str
    trust_bundles_table: str
    wrapping_key_id: str
    publish_bundle_function: str
    token_issuer: str
    root_public_key: EcPublicKey = field(metadata={_PARSER: _public_key})
    token_header: str = field(default="OAuth-Client-Attestation", metadata={_PARSER: _header})
    proof_header: str = field(default="DPoP", metadata={_PARSER: _header})
    external_origin: str = field(default="", metadata={_PARSER: _origin_or_none})
    signal_memory_seconds: int = field(default=_DAY, metadata={_PARSER: _natural})
    key_rows: KeyRows = field(default=KeyRows.PACKED, metadata={_PARSER: _one_of(KeyRows)})
    allowed_origin: str = "*"
    country_header: str = field(default="", metadata={_PARSER: _header_or_none})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshEndorsementsSettings(StackSettings):
    """``refresh_endorsements``: where the list comes from, where it goes, and the limit on its age."""

    endorsements_table: str
    android_status_list_url: str = field(metadata={_PARSER: check_url})
    endorsements_max_age_seconds: int = field(default=_DAY, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePolicySettings(StackSettings):
    """``serve_policy``: the stored trust bundles of one issuer, and the apps' client policies."""

    apps_table: str
    policies_table: str
    trust_bundles_table: str
    token_issuer: str
    allowed_origin: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministerSettings(StackSettings):
    """``administer``: what operators change. ``root_key_id`` signs client policies, ``root_public_key`` verifies trust
    bundles, ``wrapping_key_id`` seals secrets of apps. ``publish_bundle_function`` is invoked to make a change known,
    ``rotate_signing_key_function`` for new signing keys, ``refresh_endorsements_function`` for the list of revoked
    Android keys (empty without Android apps). ``policy_approval`` says whether publishing a policy needs a second
    person."""

    apps_table: str
    apis_table: str
    attested_keys_table: str
    revocations_table: str
    audit_table: str
    policies_table: str
    trust_bundles_table: str
    builds_table: str
    app_secrets_table: str
    wrapping_key_id: str
    publish_bundle_function: str
    rotate_signing_key_function: str
    refresh_endorsements_function: str = field(default="", metadata={_PARSER: str})
    root_key_id: str
    token_issuer: str
    root_public_key: EcPublicKey = field(metadata={_PARSER: _public_key})
    policy_approval: PolicyApproval = field(default=PolicyApproval.OFF, metadata={_PARSER: _one_of(PolicyApproval)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishBundleSettings(StackSettings):
    """``publish_bundle``: what trust bundles are made of. ``guarded_api_routes`` are the route requirements of the API
    ``token_audience``, as long as the apis table has none for it. ``edge_bucket`` gets copies of what is published
    (:mod:`service.keys.edge_documents`); empty for none."""

    signing_keys_table: str
    trust_bundles_table: str
    apis_table: str
    revocations_table: str
    apps_table: str
    policies_table: str
    root_key_id: str
    token_issuer: str
    token_audience: str
    guarded_api_routes: tuple[RouteRequirement, ...] = field(metadata={_PARSER: _routes})
    bundle_lifetime_seconds: int = field(default=21_600, metadata=_POSITIVE)
    edge_bucket: str = field(default="", metadata={_PARSER: str})


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSigningKeySettings(PublishBundleSettings):
    """``rotate_signing_key``: the same, and what keys are made of."""

    wrapping_key_id: str
    token_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    challenge_lifetime_seconds: int = field(default=300, metadata=_POSITIVE)
    signing_key_days: int = field(default=30, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDecisionsSettings(StackSettings):
    """``replay_decisions``: the bucket of decisions."""

    decision_bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckNewVersionSettings:
    """``check_new_version``: the versions that are about to take traffic, and ``alias``, by which functions are called.

    With ``authorize_request_version`` the authorizer is looked at, else the verifier; ``external_origin`` is that of
    its API. ``canary_app`` is a registered app, ``canary_device`` a software device of one, for stages other than
    production; both may be empty. ``canary_origin_secret`` is what the edge sends: without it, functions that refuse
    direct calls are only seen to refuse.
    """

    stage: str
    stack_name: str
    token_issuer: str
    audience: str
    root_public_key: EcPublicKey = field(metadata={_PARSER: _public_key})
    token_header: str = field(metadata={_PARSER: _header})
    proof_header: str = field(metadata={_PARSER: _header})
    alias: str
    issue_challenge_version: str
    appraise_evidence_version: str
    renew_token_version: str
    report_signal_version: str
    serve_policy_version: str
    authorize_request_version: str = field(default="", metadata={_PARSER: str})
    external_origin: str = field(default="", metadata={_PARSER: _origin_or_none})
    canary_app: str = field(default="", metadata={_PARSER: str})
    canary_device: str = field(default="", repr=False, metadata={_PARSER: str})
    origin_secret_hashes: tuple[bytes, ...] = field(default=(), metadata=_ORIGIN_SECRETS)
    canary_origin_secret: str = field(default="", repr=False, metadata={_PARSER: str})

    def __post_init__(self) -> None:
        """Raises :class:`SettingsError` for a software device in production."""
        if self.canary_device and self.stage.lower().startswith("prod"):
            raise SettingsError("environment variable CANARY_DEVICE must be empty in production")
