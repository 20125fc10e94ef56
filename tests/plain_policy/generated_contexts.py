"""Appraisal contexts from a seed: every platform, every value that rules know, odd ones, ages at their borders."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.facts import NAMING_DETECTORS, SIGNALS
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
from bonafide_tokens.jose import EcPublicKey, public_key_from_point
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import point_of
from tests.minted_claims import minted_claims

NOW = 1_780_000_000.0
DAY = 86_400
ODD = ("", "ODD", 'a"quote\\', "ünï")
KEY: EcPublicKey = public_key_from_point(point_of(ec.generate_private_key(ec.SECP256R1()).public_key()))
LABELS = ("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY", "MEETS_VIRTUAL_INTEGRITY")
APPS = ("KNOWN_INSTALLED", "KNOWN_CAPTURING", "UNKNOWN_INSTALLED", "UNKNOWN_CAPTURING", "UNKNOWN_OVERLAYS", "ODD")
PATCHES = (202605, None, 0, 202404, 202405, 20240405, 202406, 201413, 202713, 202606, 202607, 202608, 2**64, -5)
NAMES = (*SIGNALS, "signal-of-tomorrow", "")


def generated_contexts(seed: int, count: int) -> Iterator[AppraisalContext]:
    """``count`` contexts. About half of the facts are sound, so that rules are met alone and together."""
    random = Random(seed)
    for _ in range(count):
        yield _context(random)


def _context(random: Random) -> AppraisalContext:
    claims = random.choice((_apple, _android, _android, _harmony))(random)
    client_data = None
    if random.random() < 0.8:
        names = random.sample(NAMES, random.choice((0, 0, 0, 1, 2, 5)))
        client_data = ClientData(
            digest=b"",
            challenge="c",
            request_key=KEY,
            app_build=random.choice((None, "42")),
            measurements={},
            signals=tuple(Signal(name, random.choice((None, "seen"))) for name in names if name),
        )
    build = None
    if random.random() < 0.5:
        build = BuildComparison(
            match=random.choice(list(BuildMatch)), build="42", unknown=random.choice(list(UnknownBuilds))
        )
    return AppraisalContext(
        claims=claims,
        client_data=client_data,
        now=random.choice((NOW, NOW, NOW, None)),
        build=build,
        app="org.example",
        incidents=_some(random, (), _subset(random, NAMING_DETECTORS)),
        incident_warnings=_some(random, (), _subset(random, NAMING_DETECTORS)),
    )


def _some(random: Random, sound: Any, *others: Any) -> Any:
    return sound if random.random() < 0.7 else random.choice(others)


def _subset(random: Random, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(random.sample(values, random.randrange(len(values) + 1)))


def _aged(random: Random) -> float:
    return NOW - random.choice((0, DAY - 1, DAY, DAY + 1, DAY + 0.001, 30 * DAY, -60, 3599, 3601))


def _claims(random: Random, platform: Platform, storage: KeyStorage, findings: tuple[str, ...], **part: Any) -> Claims:
    return minted_claims(
        format="key-attestation",
        platform=platform,
        app_id="org.example",
        public_key=random.randbytes(65),
        key_storage=_some(random, storage, *KeyStorage),
        environment=_some(random, Environment.PRODUCTION, *Environment),
        chain_profile=_some(random, "strict", "factory", "simulator", *ODD),
        findings=_some(random, (), findings, findings[:1], ("odd",)),
        **part,
    )


def _apple(random: Random) -> Claims:
    apple = AppleClaims(
        validation_category=_some(random, None, *range(-1, 12), 2**70),
        full_security=_some(random, None, True, False),
        risk_metric=_some(random, None, 3),
    )
    findings = (
        random.choice(("apple-app-id-differs", "apple-validation-category-unread")),
        "apple-access-list-unjudged",
        "apple-authenticator-data-unread",
    )
    return _claims(
        random, random.choice((Platform.IOS, Platform.MACOS)), KeyStorage.SECURE_ENCLAVE, findings, apple=apple
    )


def _android(random: Random) -> Claims:
    level = _some(random, 1, 0, 2)
    android = AndroidClaims(
        attestation_version=_some(random, 300, 0, 2**40),
        keymint_version=300,
        security_level=level,
        key_security_level=_some(random, level, 0, 1, 2),
        strongbox_certified=random.choice((None, True, False)),
        provisioning=_some(random, "rkp", "factory", "unknown", *ODD),
        verified_boot_state=_some(random, "verified", "self-signed", "unverified", "failed"),
        device_locked=_some(random, True, False),
        verified_boot_key="00",
        boot_key_listed=random.random() < 0.3,
        os_version=_some(random, 140000, None, 2**64),
        os_patch_level=_some(random, *PATCHES),
        origin=0,
        purposes=_some(random, (2, 3), (), (3,), (2,)),
        key_algorithm=_some(random, "ec-p256", "rsa", "ec-p384", *ODD),
        user_authentication=False,
        packages=("org.example",),
        package_version=1,
        signing_digests=(),
        play=_play(random) if random.random() < 0.6 else None,
        play_skipped=_some(random, None, "quota", "unavailable"),
        play_expected=random.random() < 0.5,
    )
    findings = (
        random.choice(("application-signer-unproved", "creation-time-implausible", "x")),
        "application-id-contradicted",
    )
    return _claims(random, Platform.ANDROID, KeyStorage.TEE, findings, android=android)


def _play(random: Random) -> PlayClaims:
    return PlayClaims(
        token=random.choice(("classic", "standard")),
        requested_at=_aged(random),
        app_recognition=_some(random, "PLAY_RECOGNIZED", "UNRECOGNIZED_VERSION", "UNEVALUATED", None, *ODD),
        device_labels=_some(random, LABELS[:2], *(_subset(random, LABELS) for _ in range(3)), ODD),
        device_activity=_some(random, None, "LEVEL_1", "LEVEL_3", "LEVEL_4", "UNEVALUATED", *ODD),
        licensing=_some(random, "LICENSED", None, "UNLICENSED", *ODD),
        play_protect=_some(random, "NO_ISSUES", None, "NO_DATA", "HIGH_RISK", "UNEVALUATED", *ODD),
        apps_detected=_some(random, None, (), _subset(random, APPS), _subset(random, APPS)),
        location_spoofing=_some(random, (), ("LOW_RISK",), ("HIGH_RISK_DEVICE",), ("HIGH_RISK",)),
        testing=random.random() < 0.1,
        unread=_some(random, (), ("versionCode",)),
    )


def _harmony(random: Random) -> Claims:
    origin = _some(random, "generated", None)
    integrity = HarmonyIntegrityClaims(
        profile=_some(random, "next", "hms", "enhanced"),
        checked_at=_aged(random),
        basic_integrity=_some(random, True, False),
        details=_some(random, (), ("root",), ("unlocked", "emulator"), ("word of tomorrow",)),
        bundle_name="org.example",
        unread=_some(random, (), ("version",)),
        signer_is_ca=_some(random, False, True),
    )
    harmony = HarmonyClaims(
        kind="anonymous",
        bundle_name="org.example",
        app_id="id",
        app_mode=_some(random, "release", None, "debug", *ODD),
        key_origin=origin,
        key_origin_level=_some(random, 3, 2, None) if origin else None,
        key_algorithm=_some(random, "ec-p256", "sm2", "rsa"),
        claim_levels={"key-origin": 3},
        simulator=random.random() < 0.1,
        integrity=integrity if random.random() < 0.8 else None,
    )
    findings = (
        random.choice(("harmony-signer-unpinned", "harmony-attestation-version-unknown")),
        "harmony-revocation-unchecked",
        "harmony-device-identified",
        random.choice(("harmony-claims-unread", "harmony-issued-on-device")),
    )
    return _claims(random, Platform.HARMONY, KeyStorage.TEE, findings, harmony=harmony)
