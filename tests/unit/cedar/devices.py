"""Typical devices as facts, for tests that judge them."""

from __future__ import annotations

from collections.abc import Mapping

from attestation.appraisal.facts import Facts

_KNOWN_BUILD = {"match": "known", "unknown": "warn", "differing": [], "build": "42"}
_CONTEXT = {
    "event": "renew", "client_policy_version": 1, "signals": {}, "build": _KNOWN_BUILD, "incidents": [],
    "incident_warnings": [],
}  # fmt: skip
_REPORTED = {"source": "app", "reported": True}
_APPLE = {
    "format": "apple-app-attest", "platform": "ios", "app_id": "A.b", "key_storage": "secure-enclave",
    "environment": "production", "chain_profile": "strict", "findings": [], "validation_category": 4,
    "receipt_verified": False,
}  # fmt: skip
_PLAY = {
    "token": "standard", "age_hours": 1, "app_recognition": "PLAY_RECOGNIZED", "signing_digests": [],
    "device_labels": ["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"],
    "licensing": "LICENSED", "play_protect": "NO_ISSUES", "apps_detected": [], "location_spoofing": [],
    "location_high_risk": False, "testing": False,
}  # fmt: skip
_ANDROID = {
    "format": "android-key-attestation", "platform": "android", "app_id": "b", "key_storage": "tee",
    "environment": "production", "chain_profile": "strict", "findings": [], "attestation_version": 300,
    "keymint_version": 300, "security_level": 1, "key_security_level": 1, "provisioning": "rkp",
    "verified_boot_state": "verified", "device_locked": True, "verified_boot_key": "aa", "boot_key_listed": False,
    "patch_known": True, "patch_age_months": 2, "origin": 0, "purposes": [2], "key_algorithm": "ec-p256",
    "user_authentication": False, "packages": ["b"], "package_version": 42, "signing_digests": ["cc"],
    "unknown_tags": [], "play": _PLAY, "play_expected": True,
}  # fmt: skip
_INTEGRITY = {
    "profile": "next", "age_hours": 1, "basic_integrity": True, "details": [], "bundle_name": "b",
    "signing_digests": [], "unread": [],
}  # fmt: skip
_HARMONY = {
    "format": "harmony-key-attestation", "platform": "harmony", "app_id": "b", "key_storage": "tee",
    "environment": "production", "chain_profile": "strict", "findings": [], "kind": "anonymous", "bundle_name": "b",
    "signed_app_id": "b_c", "app_mode": "release", "key_origin": "generated", "key_origin_level": 3,
    "key_algorithm": "ec-p256", "claim_levels": [], "boot_state": "not-proved", "simulator": False,
    "integrity": _INTEGRITY,
}  # fmt: skip


def _facts(kind: str, claims: Mapping[str, object], **context: object) -> Facts:
    return Facts(kind, "demo", "k", claims, {**_CONTEXT, **context})


def _android(play: Mapping[str, object] | None = None, **claims: object) -> Facts:
    return _facts("Android", {**_ANDROID, **claims, "play": {**_PLAY, **(play or {})}})


DEVICES = {
    "iPhone from the App Store": _facts("Apple", _APPLE),
    "iPhone, TestFlight build, debugger": _facts("Apple", _APPLE, signals={"debugger": _REPORTED}),
    "Pixel from Google Play": _android(),
    "phone of 2021, 30 months without patches": _android(
        {"device_labels": ["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY"]},
        patch_age_months=30, chain_profile="factory", provisioning="factory",
    ),
    "unlocked phone": _android(
        {"device_labels": ["MEETS_BASIC_INTEGRITY"]}, device_locked=False, verified_boot_state="unverified"
    ),
    "listed system, locked": _android(
        {"device_labels": []}, verified_boot_state="self-signed", boot_key_listed=True
    ),
    "app from another store": _android({"app_recognition": "UNRECOGNIZED_VERSION", "licensing": "UNLICENSED"}),
    "Pixel, verdict of this morning": _android({"age_hours": 9}),
    "hooked Pixel": _facts("Android", _ANDROID, signals={"hooking": _REPORTED}),
    "unregistered build": _facts("Android", _ANDROID, build={**_KNOWN_BUILD, "match": "unknown"}),
    "HarmonyOS phone": _facts("Harmony", _HARMONY),
    "HarmonyOS phone without a verdict": _facts(
        "Harmony", {name: value for name, value in _HARMONY.items() if name != "integrity"}
    ),
}  # fmt: skip
