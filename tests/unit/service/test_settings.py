"""Settings: read once, typed, and refused with a sentence that names the variable."""

from __future__ import annotations

import base64
from dataclasses import MISSING
from typing import Any

import pytest
from attestation.encoding.certificate import read_certificate
from attestation.harmony.simulator import is_simulator_root
from bonafide_tokens.routes import Requirement, RouteRequirement
from service.receipts.exchange_settings import ExchangeReceiptsSettings
from service.regions.homes import TOKENS_OF_LOST
from service.settings import (
    AppraiseEvidenceSettings,
    IssueChallengeSettings,
    RefreshEndorsementsSettings,
    RenewTokenSettings,
    RotateSigningKeySettings,
    ServePolicySettings,
    SettingsError,
    read_settings,
    variables,
)
from service.tables.revocations import LONGEST_TOKEN_LIFE

from tests.service_stack.memory_stack import AUTHORITY
from tests.unit.service.complete_settings import COMPLETE

KINDS = (
    IssueChallengeSettings,
    AppraiseEvidenceSettings,
    RenewTokenSettings,
    ServePolicySettings,
    RotateSigningKeySettings,
    ExchangeReceiptsSettings,
    RefreshEndorsementsSettings,
)
ROOT = base64.b64encode(AUTHORITY.root_certificate).decode("ascii")


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_a_complete_environment_are_read(kind: type[object]) -> None:
    """The default that each case below changes in one place."""
    assert read_settings(kind, COMPLETE)


@pytest.mark.parametrize(
    ("kind", "variable"), [(kind, variable) for kind in KINDS for variable in sorted(variables(kind))]
)
def test_missing_variable_is_named_or_has_a_default(kind: type[object], variable: str) -> None:
    """A deployment that lacks a variable stops at INIT and says which."""
    environment = {name: value for name, value in COMPLETE.items() if name != variable}
    try:
        read_settings(kind, environment)
    except SettingsError as error:
        assert variable in str(error)  # noqa: PT017
        assert variable not in optional(kind)
    else:
        assert variable in optional(kind)


def optional(kind: type[object]) -> set[str]:
    """The variables that have a default."""
    return {name.upper() for name, f in kind.__dataclass_fields__.items() if f.default is not MISSING}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("STAGE", ""),
        ("TOKEN_LIFETIME_SECONDS", "0"),
        ("TOKEN_LIFETIME_SECONDS", "-5"),
        ("TOKEN_LIFETIME_SECONDS", "5m"),
        ("TOKEN_LIFETIME_SECONDS", "1e3"),
        ("TOKEN_LIFETIME_SECONDS", "٣٠٠"),
        ("TOKEN_LIFETIME_SECONDS", ""),
        ("GUARDED_API_ROUTES", ""),
        ("GUARDED_API_ROUTES", "[[]]"),
        ("GUARDED_API_ROUTES", '[["GET","/v1/whoami"]]'),
        ("GUARDED_API_ROUTES", '[["GET","/v1/whoami","prof"]]'),
        ("GUARDED_API_ROUTES", '[["get","/v1/whoami","proof"]]'),
        ("GUARDED_API_ROUTES", '[["GET","v1","proof"]]'),
        ("GUARDED_API_ROUTES", "{"),
    ],
)
def test_unusable_value_is_refused_by_name(variable: str, text: str) -> None:
    """A typing error in a setting never becomes a default."""
    with pytest.raises(SettingsError, match=variable):
        read_settings(RotateSigningKeySettings, {**COMPLETE, variable: text})


@pytest.mark.parametrize("kind", [AppraiseEvidenceSettings, RenewTokenSettings, RotateSigningKeySettings])
@pytest.mark.parametrize("variable", ["TOKEN_LIFETIME_SECONDS", "STRESSED_TOKEN_SECONDS"])
def test_no_token_outlives_what_is_remembered_of_blocked_keys(kind: type[Any], variable: str) -> None:
    """A block is looked for among tokens of the last 70 minutes, keys of a lost region are listed for 61."""
    assert read_settings(kind, {**COMPLETE, variable: "3600"})
    assert min(LONGEST_TOKEN_LIFE, TOKENS_OF_LOST) > 3_600
    for text in ("3601", "86400"):
        with pytest.raises(SettingsError, match=f"{variable} must be at most 3,600"):
            read_settings(kind, {**COMPLETE, variable: text})


def test_values_arrive_typed() -> None:
    """Seconds are numbers, routes are route requirements."""
    settings = read_settings(RotateSigningKeySettings, COMPLETE)
    assert settings.challenge_lifetime_seconds == 120
    assert settings.guarded_api_routes == (
        RouteRequirement("GET", "/v1/whoami", Requirement.TOKEN),
        RouteRequirement("*", "/*", Requirement.PROOF),
    )


def test_test_root_is_taken_in_a_development_stage() -> None:
    """Software devices exist for tests, by an explicit setting."""
    settings = read_settings(AppraiseEvidenceSettings, {**COMPLETE, "DEVELOPMENT_TRUST_ANCHORS": f"{ROOT}, {ROOT}"})
    assert len(settings.development_trust_anchors) == 2


@pytest.mark.parametrize("stage", ["prod", "Prod", "production"])
def test_test_root_in_production_is_refused(stage: str) -> None:
    """The attack: a holder of the test root's key mints genuine-looking devices."""
    with pytest.raises(SettingsError, match="DEVELOPMENT_TRUST_ANCHORS"):
        read_settings(AppraiseEvidenceSettings, {**COMPLETE, "STAGE": stage, "DEVELOPMENT_TRUST_ANCHORS": ROOT})


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"not a certificate").decode(), ROOT[:-8]])
def test_unreadable_test_root_is_refused(text: str) -> None:
    """A broken certificate is a deployment error, not an empty set of anchors."""
    with pytest.raises(SettingsError, match="DEVELOPMENT_TRUST_ANCHORS"):
        read_settings(AppraiseEvidenceSettings, {**COMPLETE, "DEVELOPMENT_TRUST_ANCHORS": text})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ON_ENDORSEMENTS_STALE", "ignore"),
        ("ON_ENDORSEMENTS_STALE", ""),
        ("ON_PLAY_UNAVAILABLE", "accept"),
        ("KEY_ROWS", "json"),
        ("PLAY_DAILY_QUOTA", "-1"),
        ("PLAY_ENROLMENT_RESERVE", "half"),
        ("PLAY_DECODE_ENDPOINT", "http://playintegrity.googleapis.com"),
        ("PLAY_DECODE_ENDPOINT", "https://user@playintegrity.googleapis.com"),
        ("ENDORSEMENTS_MAX_AGE_SECONDS", "0"),
        ("OPENHARMONY_SIMULATOR_ROOT", "not base64!"),
    ],
)
def test_unusable_choice_about_vendors_is_refused_by_name(variable: str, text: str) -> None:
    """An operator's typing error never turns into the laxer choice."""
    with pytest.raises(SettingsError, match=variable):
        read_settings(RenewTokenSettings, {**COMPLETE, variable: text})


@pytest.mark.parametrize("url", ["http://android.googleapis.com/attestation/status", "file:///etc/passwd", "", "x"])
def test_status_list_comes_by_https_alone(url: str) -> None:
    """A list that an attacker on the way can write would un-revoke keys. Plain http is for the loopback of local
    stacks."""
    with pytest.raises(SettingsError, match="ANDROID_STATUS_LIST_URL"):
        read_settings(RefreshEndorsementsSettings, {**COMPLETE, "ANDROID_STATUS_LIST_URL": url})
    local = {**COMPLETE, "ANDROID_STATUS_LIST_URL": "http://127.0.0.1:8704/attestation/status"}
    assert read_settings(RefreshEndorsementsSettings, local).android_status_list_url.endswith(
        ":8704/attestation/status"
    )


@pytest.mark.parametrize("stage", ["staging", "prod", "production", "Dev"])
def test_simulator_is_let_into_development_alone(stage: str) -> None:
    """The attack: its CA keys are published, so anyone can mint its keys."""
    with pytest.raises(SettingsError, match="OPENHARMONY_SIMULATOR_ROOT"):
        read_settings(RenewTokenSettings, {**COMPLETE, "STAGE": stage, "OPENHARMONY_SIMULATOR_ROOT": ROOT})


def test_simulator_root_that_is_another_certificate_is_refused() -> None:
    """The switch lets in one known root; a test root has its own variable."""
    settings = read_settings(RenewTokenSettings, {**COMPLETE, "OPENHARMONY_SIMULATOR_ROOT": ROOT})
    with pytest.raises(SettingsError, match="OPENHARMONY_SIMULATOR_ROOT"):
        settings.trusted_roots()


def test_test_root_stands_for_every_vendor_in_development() -> None:
    """Software iPhones, Androids and HarmonyOS devices hang under one root."""
    roots = read_settings(RenewTokenSettings, {**COMPLETE, "DEVELOPMENT_TRUST_ANCHORS": ROOT}).trusted_roots()
    for purpose in (
        roots.apple_attestation,
        roots.android_attestation,
        roots.harmony_anonymous,
        roots.harmony_enhanced,
    ):
        assert any(anchor.spki == read_certificate(AUTHORITY.root_certificate).spki for anchor in purpose)
    assert roots.harmony_simulator == ()
    assert not any(is_simulator_root(anchor.spki) for anchor in roots.harmony_anonymous)


@pytest.mark.parametrize("kind", [IssueChallengeSettings, AppraiseEvidenceSettings, RenewTokenSettings])
def test_origin_secrets_are_one_or_two_hashes(kind: type[Any]) -> None:
    """Text that holds none must not open the API, and no error quotes it: it may be the secret itself."""
    hashes = f"{'0b' * 32},{'c4' * 32}"
    read = read_settings(kind, {**COMPLETE, "ORIGIN_SECRET_HASHES": hashes}).origin_secret_hashes
    assert read == (b"\x0b" * 32, b"\xc4" * 32)
    for text in ("the-secret", ",,", f"{hashes},{hashes}"):
        with pytest.raises(SettingsError, match="ORIGIN_SECRET_HASHES must be empty, or one or two") as caught:
            read_settings(kind, {**COMPLETE, "ORIGIN_SECRET_HASHES": text})
        assert text not in str(caught.value)


def test_header_of_the_country_is_a_header_name() -> None:
    """A setting that could never match is refused at the start, and is not silently without effect."""
    settings = read_settings(AppraiseEvidenceSettings, {**COMPLETE, "COUNTRY_HEADER": "CF-IPCountry"})
    assert settings.country_header == "CF-IPCountry"
    with pytest.raises(SettingsError, match="COUNTRY_HEADER must be empty or the name of a header"):
        read_settings(AppraiseEvidenceSettings, {**COMPLETE, "COUNTRY_HEADER": "CF IPCountry:"})
