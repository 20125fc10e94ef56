"""Settings: read once, typed, and refused with a sentence that names the variable."""

from __future__ import annotations

import base64

import pytest
from attestation.route_requirement import Requirement, RouteRequirement
from service.settings import (
    AppraiseEvidenceSettings,
    IssueChallengeSettings,
    RenewTokenSettings,
    RotateSigningKeySettings,
    ServePolicySettings,
    SettingsError,
    read_settings,
    variables,
)

from tests.service_stack.memory_stack import AUTHORITY

COMPLETE = {
    "STAGE": "dev",
    "STACK_NAME": "unit",
    "APPS_TABLE": "apps",
    "NONCES_TABLE": "nonces",
    "ATTESTED_KEYS_TABLE": "attested-keys",
    "SIGNING_KEYS_TABLE": "signing-keys",
    "TRUST_BUNDLES_TABLE": "trust-bundles",
    "ROOT_KEY_ID": "root",
    "WRAPPING_KEY_ID": "wrapping",
    "TOKEN_ISSUER": "unit",
    "TOKEN_AUDIENCE": "unit-api",
    "TOKEN_LIFETIME_SECONDS": "300",
    "CHALLENGE_LIFETIME_SECONDS": "120",
    "KEY_IDLE_DAYS": "30",
    "DEVELOPMENT_TRUST_ANCHORS": "",
    "GUARDED_API_ROUTES": '[["GET","/v1/whoami","token"],["*","/*","proof"]]',
    "BUNDLE_LIFETIME_SECONDS": "21600",
    "SIGNING_KEY_DAYS": "30",
}
KINDS = (
    IssueChallengeSettings,
    AppraiseEvidenceSettings,
    RenewTokenSettings,
    ServePolicySettings,
    RotateSigningKeySettings,
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
        assert not variable.endswith(("_SECONDS", "_DAYS", "_ANCHORS"))
    else:
        assert variable.endswith(("_SECONDS", "_DAYS", "_ANCHORS"))


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
    """The attack: whoever holds the test root's key mints genuine-looking devices."""
    with pytest.raises(SettingsError, match="DEVELOPMENT_TRUST_ANCHORS"):
        read_settings(AppraiseEvidenceSettings, {**COMPLETE, "STAGE": stage, "DEVELOPMENT_TRUST_ANCHORS": ROOT})


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"not a certificate").decode(), ROOT[:-8]])
def test_unreadable_test_root_is_refused(text: str) -> None:
    """A broken certificate is a deployment error, not an empty set of anchors."""
    with pytest.raises(SettingsError, match="DEVELOPMENT_TRUST_ANCHORS"):
        read_settings(AppraiseEvidenceSettings, {**COMPLETE, "DEVELOPMENT_TRUST_ANCHORS": text})
