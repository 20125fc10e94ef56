"""Facts: every attribute that a policy may look at, from claims in which each member has a value of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from attestation.appraisal.facts import Facts, facts_of, patch_month
from attestation.claims import AppleClaims, Claims, HarmonyClaims, HarmonyIntegrityClaims, Platform
from attestation.client_data import Signal

from .every_member import ANDROID, APPLE, HARMONY, INTEGRITY, NOW, PLAY, claims_of, context

NEUTRAL = {
    "format": "a-format",
    "app_id": "org.example.demo",
    "key_storage": "tee",
    "environment": "development",
    "chain_profile": "strict",
    "anchor": "a0",
    "counter": 5,
    "os_version": "16",
}
REQUEST = {
    "event": "enrol",
    "client_policy_version": 9,
    "app_build": "42",
    "os": "Android 16",
    "model": "SM-S921B",
    "country": "DE",
    "incidents": ["clone-storm", "key-farm"],
    "incident_warnings": ["leaked-keybox"],
    "build": {"match": "differs", "unknown": "refuse", "differing": ["lib/a.so"], "build": "42"},
}


@pytest.mark.parametrize("platform", [Platform.IOS, Platform.MACOS])
def test_apple_facts_are_all_there(platform: Platform) -> None:
    """Every member under its own name."""
    facts = facts_of(context(claims_of(platform, apple=APPLE)))
    assert (facts.kind, facts.app) == ("Apple", "demo")
    assert facts.key_id == claims_of(platform).key_id
    assert facts.claims == {
        **NEUTRAL,
        "platform": platform.value,
        "findings": ["of-the-key"],
        "receipt_verified": True,
        "os_build": "24A325",
        "validation_category": 4,
        "bundle_version": "7.1",
        "full_security": True,
        "risk_metric": 3,
    }
    assert facts.context == {**REQUEST, "signals": {}}


def test_android_facts_are_all_there() -> None:
    """With the verdict beside the key, and ages in whole units rounded up."""
    facts = facts_of(context(claims_of(Platform.ANDROID, android=ANDROID)))
    assert facts.kind == "Android"
    assert facts.claims == {
        **NEUTRAL,
        "platform": "android",
        "findings": ["of-the-key", "play-verdict-unread"],
        "attestation_version": 300,
        "keymint_version": 200,
        "security_level": 2,
        "key_security_level": 1,
        "strongbox_certified": False,
        "provisioning": "rkp",
        "verified_boot_state": "self-signed",
        "device_locked": True,
        "verified_boot_key": "b0",
        "boot_key_listed": True,
        "verified_boot_hash": "b1",
        "os_version_number": 160000,
        "os_patch_level": 202603,
        "vendor_patch_level": 20260305,
        "boot_patch_level": 20260301,
        "patch_known": True,
        "patch_age_months": 2,
        "origin": 0,
        "purposes": [2, 3],
        "key_algorithm": "ec-p256",
        "user_authentication": True,
        "packages": ["org.example.demo"],
        "package_version": 42,
        "signing_digests": ["cc"],
        "certificates_issued": 17,
        "manufacturer": "Example",
        "unknown_tags": [799],
        "play_skipped": "quota",
        "play_expected": True,
        "play": {
            "token": "standard",
            "age_hours": 2,
            "requested_by": "org.example.asks",
            "app_recognition": "PLAY_RECOGNIZED",
            "package": "org.example.demo",
            "version_code": 42,
            "signing_digests": ["aa"],
            "device_labels": ["MEETS_DEVICE_INTEGRITY"],
            "sdk_version": 35,
            "device_activity": "LEVEL_1",
            "licensing": "LICENSED",
            "play_protect": "NO_ISSUES",
            "apps_detected": ["KNOWN_INSTALLED"],
            "location_spoofing": ["HIGH_RISK_PROVIDER"],
            "location_high_risk": True,
            "testing": True,
        },
    }
    assert facts.context == {**REQUEST, "signals": {}}


def test_harmony_facts_are_all_there() -> None:
    """With the verdict beside the key, whose known details are signals of the platform's."""
    facts = facts_of(context(claims_of(Platform.HARMONY, harmony=HARMONY)))
    assert facts.kind == "Harmony"
    assert facts.claims == {
        **NEUTRAL,
        "platform": "harmony",
        "findings": ["of-the-key", "harmony-device-integrity-signer-unclear"],
        "kind": "non-anonymous",
        "bundle_name": "org.example.demo",
        "signed_app_id": "org.example.demo_KEY",
        "app_identifier": "5765880207853068000",
        "app_mode": "release",
        "key_origin": "generated",
        "key_origin_level": 3,
        "key_manager_level": 2,
        "key_algorithm": "ec-p256",
        "key_purposes": 12,
        "model": "CLS-SW00",
        "device_security_level": 4,
        "claim_levels": ["model=2", "key-manager=3"],
        "boot_state": "not-proved",
        "simulator": False,
        "integrity": {
            "profile": "next",
            "basic_integrity": True,
            "details": ["jailbreak", "a word of tomorrow"],
            "bundle_name": "org.example.demo",
            "app_id": "1234567",
            "signing_digests": ["dd"],
            "version": 1,
            "advice": "UPDATE",
            "unread": ["version"],
            "age_hours": 1,
        },
    }
    assert facts.context == {**REQUEST, "signals": {"jailbreak": {"source": "platform", "reported": False}}}


def test_request_without_client_data_says_less() -> None:
    """Conformance runs have evidence alone; and without a time nothing has an age."""
    unnamed = facts_of(context(claims_of(Platform.IOS), client_data=None, country=None, build=None, incidents=()))
    assert unnamed.context == {
        "signals": {},
        "event": "enrol",
        "client_policy_version": 0,
        "incidents": [],
        "incident_warnings": ["leaked-keybox"],
    }
    facts = facts_of(context(claims_of(Platform.ANDROID, android=ANDROID), client_data=None, now=None))
    assert "patch_age_months" not in facts.claims
    assert facts.claims["patch_known"] is True
    play = facts.claims["play"]
    assert isinstance(play, dict)
    assert "age_hours" not in play


@pytest.mark.parametrize("kind", ["Android", "Harmony"])
def test_claims_without_their_platforms_part_prove_nothing(kind: str) -> None:
    """A policy that reads an attribute that is missing refuses."""
    facts = facts_of(context(claims_of(Platform(kind.lower()))))
    assert facts.claims == {**NEUTRAL, "platform": kind.lower(), "findings": ["of-the-key"]}


@pytest.mark.parametrize(
    ("level", "month"),
    [
        (None, None),
        (0, None),
        (202603, 2026 * 12 + 3),
        (20260305, 2026 * 12 + 3),
        (201501, 2015 * 12 + 1),
        (201412, None),
        (209912, 2099 * 12 + 12),
        (210001, None),
        (202600, None),
        (202613, None),
        (-202603, None),
    ],
)
def test_patch_level_is_a_month(level: int | None, month: int | None) -> None:
    """With a day or without; what is no month of Android's is none."""
    assert patch_month(level) == month


@pytest.mark.parametrize(
    ("given", "held"),
    [(2**63 - 1, 2**63 - 1), (2**63, 2**63 - 1), (-(2**63) + 1, -(2**63) + 1), (-(2**70), -(2**63) + 1), (7, 7)],
)
def test_number_beyond_what_cedar_holds_is_cut(given: int, held: int) -> None:
    """Some devices write such."""
    facts = facts_of(context(claims_of(Platform.IOS, apple=AppleClaims(risk_metric=given))))
    assert facts.claims["risk_metric"] == held


@pytest.mark.parametrize(
    ("age", "hours"), [(0, 0), (1, 1), (3600, 1), (3601, 2), (-1, 0), (-3600, -1), (inf, 2**63 - 1)]
)
def test_age_is_in_whole_hours_rounded_up(age: float, hours: int) -> None:
    """So that ``> 24`` means older than a day."""
    harmony = claims_of(
        Platform.HARMONY,
        harmony=HarmonyClaims(
            kind="anonymous",
            bundle_name="b",
            app_id="b_k",
            key_algorithm="ec-p256",
            claim_levels={},
            integrity=HarmonyIntegrityClaims(
                profile="hms", checked_at=NOW - age, basic_integrity=True, bundle_name="b"
            ),
        ),
    )
    integrity = facts_of(context(harmony)).claims["integrity"]
    assert isinstance(integrity, dict)
    assert integrity["age_hours"] == hours


def test_reported_signals_are_by_name_and_others_together() -> None:
    """The first report of a name counts; a detail is kept where there is one."""
    signals = (
        Signal("debugger"),
        Signal("hooking", "frida"),
        Signal("hooking", "xposed"),
        Signal("of-tomorrow"),
        Signal("another", "detail"),
    )
    facts = facts_of(context(claims_of(Platform.IOS, apple=APPLE), *signals))
    assert facts.context["signals"] == {
        "debugger": {"source": "app", "reported": True},
        "hooking": {"source": "app", "reported": True, "detail": "frida"},
        "other": ["of-tomorrow", "another"],
    }


def _android(**changes: Any) -> Claims:
    return claims_of(Platform.ANDROID, android=replace(ANDROID, **changes))


@pytest.mark.parametrize(
    ("changes", "signals"),
    [
        ({}, {}),
        ({"play": None}, {}),
        ({"verified_boot_state": "verified", "boot_key_listed": False}, {}),
        ({"boot_key_listed": False}, {"root": "hardware"}),
        ({"device_locked": False}, {"root": "hardware"}),
        ({"verified_boot_state": "failed"}, {"root": "hardware"}),
        ({"verified_boot_state": "unverified"}, {"root": "hardware"}),
    ],
)
def test_hardware_that_booted_something_else_is_a_signal(changes: dict[str, Any], signals: dict[str, str]) -> None:
    """Unlocked, or a system that is not listed: root, says the hardware."""
    found = facts_of(context(_android(**changes))).context["signals"]
    assert found == {name: {"source": source, "reported": False} for name, source in signals.items()}


def test_apps_that_play_detects_are_signals_beside_reports() -> None:
    """The higher source is named, and the app's own detail stays."""
    apps = ("UNKNOWN_CAPTURING", "UNKNOWN_OVERLAYS", "UNKNOWN_CONTROLLING", "KNOWN_CAPTURING")
    claims = _android(play=replace(PLAY, apps_detected=apps))
    found = facts_of(context(claims, Signal("overlay", "a bubble"))).context["signals"]
    assert found == {
        "screen-capture": {"source": "platform", "reported": False},
        "overlay": {"source": "platform", "reported": True, "detail": "a bubble"},
        "accessibility-abuse": {"source": "platform", "reported": False},
    }
    assert facts_of(context(_android(play=replace(PLAY, apps_detected=None)))).context["signals"] == {}


@pytest.mark.parametrize(
    ("detail", "signal"),
    [("root", "root"), ("unlocked", "root"), ("unlock", "root"), ("jailbreak", "jailbreak"), ("emulator", "emulator")],
)
def test_details_of_huawei_are_signals(detail: str, signal: str) -> None:
    """Those that have a name of ours."""
    harmony = claims_of(Platform.HARMONY, harmony=replace(HARMONY, integrity=replace(INTEGRITY, details=(detail,))))
    assert facts_of(context(harmony)).context["signals"] == {signal: {"source": "platform", "reported": False}}


def test_facts_outlive_a_record() -> None:
    """Decision records hold them, and replays read them."""
    facts = facts_of(context(claims_of(Platform.ANDROID, android=ANDROID), Signal("hooking")))
    assert Facts.from_record(facts.to_record()) == facts


@pytest.mark.parametrize("named", [(), ("key-farm",)])
def test_records_leave_out_incidents_that_there_are_not(named: tuple[str, ...]) -> None:
    """Almost no decision has any. Records of releases that knew none read as empty, too."""
    facts = facts_of(context(claims_of(Platform.IOS, apple=APPLE), incidents=named, incident_warnings=named))
    record = json.loads(json.dumps(facts.to_record()))
    assert ("incidents" in record["context"]) is ("incident_warnings" in record["context"]) is bool(named)
    assert Facts.from_record(record) == facts


@pytest.mark.parametrize("member", ["kind", "app", "key_id", "claims", "context"])
@pytest.mark.parametrize("value", [None, 5, "Nokia", ["a"]])
def test_record_of_something_else_is_no_facts(member: str, value: object) -> None:
    """Archives hold lines of every age."""
    record = facts_of(context(claims_of(Platform.IOS, apple=APPLE))).to_record() | {member: value}
    if member in ("app", "key_id") and isinstance(value, str):
        assert Facts.from_record(record)
    else:
        with pytest.raises(ValueError, match="not of one decision's facts"):
            Facts.from_record(record)
