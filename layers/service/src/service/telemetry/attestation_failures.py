"""Why an app could not attest at all, in a closed list of codes: what `POST /v1/attestation-failures` takes.

The list is published as docs/attestation-failures.json, and a test holds that file to this one. A code is added, never
renamed: apps in the field send what they were built with. A report is anyone's word. It is counted and nothing else: no
verdict reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from attestation.claims import Platform


@unique
class FailureCode(StrEnum):
    """What went wrong before there was evidence to send."""

    APP_ATTEST_NOT_SUPPORTED = "app-attest-not-supported"
    APP_ATTEST_IN_EXTENSION = "app-attest-in-extension"
    KEY_ATTESTATION_NOT_SUPPORTED = "key-attestation-not-supported"
    ATTESTATION_KEYS_UNAVAILABLE = "attestation-keys-unavailable"
    PLAY_SERVICES_MISSING = "play-services-missing"
    PLAY_SERVICES_OUTDATED = "play-services-outdated"
    APP_NOT_FROM_STORE = "app-not-from-store"
    HMS_CORE_MISSING = "hms-core-missing"
    DEVICE_INTEGRITY_UNAVAILABLE = "device-integrity-unavailable"
    SIMULATOR = "simulator"
    OS_TOO_OLD = "os-too-old"
    KEY_GENERATION_FAILED = "key-generation-failed"
    ATTESTATION_FAILED = "attestation-failed"
    KEY_LOST = "key-lost"
    KEY_INVALIDATED = "key-invalidated"
    KEY_LOCKED = "key-locked"
    SIGNING_FAILED = "signing-failed"
    STORAGE_FAILED = "storage-failed"
    VENDOR_UNREACHABLE = "vendor-unreachable"
    VENDOR_QUOTA = "vendor-quota"
    VENDOR_ERROR = "vendor-error"
    VERIFIER_UNREACHABLE = "verifier-unreachable"
    TIMEOUT = "timeout"
    CLOCK_WRONG = "clock-wrong"
    APP_MISCONFIGURED = "app-misconfigured"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """A code, the platforms that have it, and what it says of the device, for operators and authors of apps."""

    code: FailureCode
    platforms: frozenset[Platform]
    meaning: str


_APPLE: Final = frozenset({Platform.IOS, Platform.MACOS})
_ANDROID: Final = frozenset({Platform.ANDROID})
_HARMONY: Final = frozenset({Platform.HARMONY})
_ALL: Final = frozenset(Platform)

FAILURES: Final[Mapping[FailureCode, Failure]] = {
    code: Failure(code, platforms, meaning)
    for code, platforms, meaning in (
        (FailureCode.APP_ATTEST_NOT_SUPPORTED, _APPLE, "The device has no App Attest."),
        (
            FailureCode.APP_ATTEST_IN_EXTENSION,
            _APPLE,
            "The code runs in an app extension of a kind that has no App Attest; the app itself may have it.",
        ),
        (
            FailureCode.KEY_ATTESTATION_NOT_SUPPORTED,
            _ANDROID | _HARMONY,
            "The device's key store attests no keys.",
        ),
        (
            FailureCode.ATTESTATION_KEYS_UNAVAILABLE,
            _ANDROID,
            "The device has no attestation keys at hand and could not be provisioned with new ones.",
        ),
        (
            FailureCode.PLAY_SERVICES_MISSING,
            _ANDROID,
            "The Play Store or Google Play services are absent, and the app does not enrol without a Play verdict.",
        ),
        (FailureCode.PLAY_SERVICES_OUTDATED, _ANDROID, "The Play Store or Google Play services are too old."),
        (
            FailureCode.APP_NOT_FROM_STORE,
            _ANDROID,
            "Play does not know the app that asks: it was installed or renamed by other means.",
        ),
        (FailureCode.HMS_CORE_MISSING, _HARMONY, "HMS Core is absent or too old."),
        (
            FailureCode.DEVICE_INTEGRITY_UNAVAILABLE,
            _HARMONY,
            "The Device Security Kit does not answer, or the app may not use it.",
        ),
        (FailureCode.SIMULATOR, _ALL, "The app runs in a simulator or emulator, which attests nothing."),
        (FailureCode.OS_TOO_OLD, _ALL, "The operating system is too old, or asks for an update before it attests."),
        (FailureCode.KEY_GENERATION_FAILED, _ALL, "The key store made no key."),
        (FailureCode.ATTESTATION_FAILED, _ALL, "The key is there, but the platform did not attest it."),
        (FailureCode.KEY_LOST, _ALL, "The key that the app remembers is gone: the device was restored, or data lost."),
        (
            FailureCode.KEY_INVALIDATED,
            _ALL,
            "The platform made the key unusable for good: its screen lock or biometrics changed.",
        ),
        (
            FailureCode.KEY_LOCKED,
            _ALL,
            "The key cannot be used yet: the device was not unlocked, or the person not asked.",
        ),
        (FailureCode.SIGNING_FAILED, _ALL, "The key is there, but did not sign."),
        (FailureCode.STORAGE_FAILED, _ALL, "What the app has to keep could not be kept."),
        (FailureCode.VENDOR_UNREACHABLE, _ALL, "The platform vendor's service could not be reached."),
        (FailureCode.VENDOR_QUOTA, _ALL, "The platform vendor's service has had enough requests for now."),
        (FailureCode.VENDOR_ERROR, _ALL, "The platform vendor's service answered with a fault of its own."),
        (FailureCode.VERIFIER_UNREACHABLE, _ALL, "Bonafide could not be reached; told afterwards."),
        (FailureCode.TIMEOUT, _ALL, "A step took longer than the app waits."),
        (FailureCode.CLOCK_WRONG, _ALL, "The device's clock is so wrong that certificates do not hold."),
        (FailureCode.APP_MISCONFIGURED, _ALL, "The app lacks an entitlement, a permission or a project number."),
        (FailureCode.OTHER, _ALL, "None of the above."),
    )
}
"""Every code, in the order in which it is published."""


BEFORE_CHALLENGE: Final = frozenset({FailureCode.VERIFIER_UNREACHABLE, FailureCode.CLOCK_WRONG})
"""Failures to reach us at all, so that no challenge was issued. Before all others an app has asked for one."""


def codes_of(platform: Platform) -> tuple[FailureCode, ...]:
    """The codes that apps of a platform send."""
    return tuple(code for code, failure in FAILURES.items() if platform in failure.platforms)


def published() -> dict[str, object]:
    """What docs/attestation-failures.json says: for each code its platforms and its meaning."""
    return {
        "codes": [
            {
                "code": failure.code.value,
                "platforms": [platform.value for platform in Platform if platform in failure.platforms],
                "meaning": failure.meaning,
            }
            for failure in FAILURES.values()
        ]
    }
