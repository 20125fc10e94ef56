"""Claims in which each member has a value of its own, for tests that must not take one for another."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.policy import AppraisalContext
from attestation.claims import (
    AndroidClaims,
    AppleClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    KeyStorage,
    Platform,
    PlayClaims,
)
from attestation.client_data import ClientData, Signal
from attestation.reference_values import Environment
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.minted_claims import minted_claims

NOW = 1_780_000_000.0  # 2026-05-28
REQUEST_KEY = public_key_of(ec.derive_private_key(7, ec.SECP256R1()))

APPLE = AppleClaims(
    os_build="24A325",
    validation_category=4,
    bundle_version="7.1",
    full_security=True,
    receipt_verified=True,
    risk_metric=3,
)
PLAY = PlayClaims(
    token="standard",
    requested_at=NOW - 3601,
    requested_by="org.example.asks",
    app_recognition="PLAY_RECOGNIZED",
    package="org.example.demo",
    version_code=42,
    signing_digests=("aa",),
    device_labels=("MEETS_DEVICE_INTEGRITY",),
    sdk_version=35,
    device_activity="LEVEL_1",
    licensing="LICENSED",
    play_protect="NO_ISSUES",
    apps_detected=("KNOWN_INSTALLED",),
    location_spoofing=("HIGH_RISK_PROVIDER",),
    testing=True,
    unread=("appAccessRiskVerdict",),
)
ANDROID = AndroidClaims(
    attestation_version=300,
    keymint_version=200,
    security_level=2,
    key_security_level=1,
    strongbox_certified=False,
    provisioning="rkp",
    verified_boot_state="self-signed",
    device_locked=True,
    verified_boot_key="b0",
    boot_key_listed=True,
    verified_boot_hash="b1",
    os_version=160000,
    os_patch_level=202603,
    vendor_patch_level=20260305,
    boot_patch_level=20260301,
    origin=0,
    purposes=(2, 3),
    key_algorithm="ec-p256",
    user_authentication=True,
    packages=("org.example.demo",),
    package_version=42,
    signing_digests=("cc",),
    certificates_issued=17,
    manufacturer="Example",
    unknown_tags=(799,),
    chain_serials=("1a",),
    chain_names=("f9",),
    play=PLAY,
    play_skipped="quota",
    play_expected=True,
)
INTEGRITY = HarmonyIntegrityClaims(
    profile="next",
    checked_at=NOW - 60,
    basic_integrity=True,
    details=("jailbreak", "a word of tomorrow"),
    bundle_name="org.example.demo",
    app_id="1234567",
    signing_digests=("dd",),
    version=1,
    advice="UPDATE",
    unread=("version",),
    signer_is_ca=True,
)
HARMONY = HarmonyClaims(
    kind="non-anonymous",
    bundle_name="org.example.demo",
    app_id="org.example.demo_KEY",
    app_identifier="5765880207853068000",
    app_mode="release",
    key_origin="generated",
    key_origin_level=3,
    key_manager_level=2,
    key_algorithm="ec-p256",
    key_purposes=12,
    model="CLS-SW00",
    device_security_level=4,
    claim_levels={"model": 2, "key-manager": 3},
    integrity=INTEGRITY,
)


def claims_of(platform: Platform, **parts: Any) -> Claims:
    facts: dict[str, Any] = {
        "format": "a-format",
        "platform": platform,
        "app_id": "org.example.demo",
        "public_key": b"\x04" + bytes(64),
        "key_storage": KeyStorage.TEE,
        "environment": Environment.DEVELOPMENT,
        "chain_profile": "strict",
        "anchor": "a0",
        "counter": 5,
        "os_version": "16",
        "findings": ("of-the-key",),
    }
    return minted_claims(**(facts | parts))


def client_data(*signals: Signal) -> ClientData:
    return ClientData(
        digest=sha256(b"").digest(),
        challenge="sealed",
        request_key=REQUEST_KEY,
        app_build="42",
        os="Android 16",
        model="SM-S921B",
        measurements={},
        signals=signals,
        client_policy_version=9,
    )


def context(claims: Claims, *signals: Signal, **changes: Any) -> AppraisalContext:
    arguments: dict[str, Any] = {
        "claims": claims,
        "client_data": client_data(*signals),
        "now": NOW,
        "app": "demo",
        "event": "enrol",
        "country": "DE",
        "incidents": ("key-farm", "clone-storm"),
        "incident_warnings": ("leaked-keybox",),
        "build": BuildComparison(
            match=BuildMatch.DIFFERS, build="42", differing=("lib/a.so",), unknown=UnknownBuilds.REFUSE
        ),
    }
    return AppraisalContext(**(arguments | changes))
