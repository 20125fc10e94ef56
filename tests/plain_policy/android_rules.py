"""The default policy's rules for Android, in plain code: the oracle that default.cedar is held against."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from attestation.android.key_attestation import CREATION_TIME, SIGNER_UNPROVED
from attestation.android.key_description import CONTRADICTED, SecurityLevel
from attestation.appraisal.result import Finding, Tier
from attestation.claims import AndroidClaims, Claims, PlayClaims
from attestation.encoding.subject_key import P256

_SIGN: Final = 2
_FIRST_PATCH_YEAR: Final = 2015  # Android's monthly patch levels began then
_DEVICE_LABELS: Final = frozenset({"MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"})
_BASIC: Final = "MEETS_BASIC_INTEGRITY"
_QUIET_PROTECT: Final = frozenset({None, "NO_ISSUES", "NO_DATA", "UNEVALUATED"})
_QUIET_ACTIVITY: Final = frozenset({None, "LEVEL_1", "LEVEL_2", "LEVEL_3", "UNEVALUATED"})
_QUIET_APPS: Final = frozenset({"KNOWN_INSTALLED", "KNOWN_CAPTURING", "KNOWN_OVERLAYS", "KNOWN_CONTROLLING"}) | {
    "UNKNOWN_INSTALLED"
}
_BOOT_RULES: Final = {
    "self-signed": "android-boot-self-signed",
    "unverified": "android-boot-unverified",
    "failed": "android-boot-failed",
}
ASK_FOR_PLAY: Final = "play-integrity"
"""Advice: send ``android-play-integrity`` beside the next evidence."""


def android_findings(claims: Claims, *, now: float | None, patch_months: int, play_hours: int) -> Iterator[Finding]:
    """What objects to an Android key. ``now`` is Unix seconds; without it nothing is too old."""
    android = claims.android
    if android is None:
        return
    yield from _key_findings(android)
    yield from _boot_findings(android)
    if SIGNER_UNPROVED in claims.findings:
        yield Finding("android-signer-unproved", Tier.CONTRAINDICATED, advice="restart-device")
    if CONTRADICTED in claims.findings:
        yield Finding("android-application-id-contradicted", Tier.WARNING)
    if CREATION_TIME in claims.findings:
        yield Finding("android-creation-time-implausible", Tier.WARNING, enforced=False)
    if claims.chain_profile == "factory":
        yield Finding("android-factory-profile", Tier.WARNING)
    if android.provisioning == "unknown":
        yield Finding("android-provisioning-unknown", Tier.WARNING)
    patched = patch_month(android.os_patch_level)
    if patched is None:
        yield Finding("android-patch-level-unknown", Tier.WARNING)
    elif now is not None and _month_of(now) - patched > patch_months:
        yield Finding("android-patch-level-old", Tier.WARNING, advice="update-os")
    elif now is not None and patched > _month_of(now) + 1:
        # Makers ship next month's patches early.
        yield Finding("android-patch-level-future", Tier.WARNING)
    yield from _play_findings(android, now, play_hours)


def _play_findings(android: AndroidClaims, now: float | None, play_hours: int) -> Iterator[Finding]:
    if android.play_skipped is not None:
        yield Finding("play-not-asked", Tier.WARNING)
    if android.play is None:
        if android.play_expected and android.play_skipped is None:
            # The verdict would be a bad one, so it is kept back.
            yield Finding("play-missing", Tier.WARNING, advice=ASK_FOR_PLAY)
        return
    yield from play_findings(android.play)
    if now is not None and now - android.play.requested_at > play_hours * 3600:
        # A good verdict of the day before the device was rooted, and none since.
        yield Finding("play-verdict-old", Tier.WARNING, advice=ASK_FOR_PLAY)


def _key_findings(android: AndroidClaims) -> Iterator[Finding]:
    if android.security_level != android.key_security_level:
        # Software attesting for a TEE (Android 7), or a TEE for a StrongBox: the attester is the weaker side.
        yield Finding("android-security-levels-differ", Tier.CONTRAINDICATED)
    if SecurityLevel.STRONGBOX in (android.security_level, android.key_security_level):
        if android.strongbox_certified is False:
            yield Finding("android-strongbox-contradicted", Tier.CONTRAINDICATED)  # a leaked TEE keybox
        elif android.strongbox_certified is None:
            yield Finding("android-strongbox-unconfirmed", Tier.WARNING)
    if (
        android.strongbox_certified
        and min(android.security_level, android.key_security_level) < SecurityLevel.STRONGBOX
    ):
        # A StrongBox's chain above a TEE's statement.
        yield Finding("android-level-below-chain", Tier.WARNING)
    if android.key_algorithm != P256 or _SIGN not in android.purposes:
        yield Finding("android-key-cannot-renew", Tier.WARNING)


def _boot_findings(android: AndroidClaims) -> Iterator[Finding]:
    if not android.device_locked:
        yield Finding("android-unlocked", Tier.CONTRAINDICATED)
    if android.verified_boot_state == "self-signed" and android.boot_key_listed:
        yield Finding("android-boot-key-listed", Tier.WARNING, enforced=False)
    elif android.verified_boot_state != "verified":
        yield Finding(_BOOT_RULES[android.verified_boot_state], Tier.CONTRAINDICATED)


def play_findings(play: PlayClaims) -> Iterator[Finding]:
    """What objects to a Play Integrity verdict. A label that is not known here never helps."""
    labels = frozenset(play.device_labels)
    if play.testing:
        yield Finding("play-testing-response", Tier.CONTRAINDICATED)
    if not labels & _DEVICE_LABELS:
        if _BASIC in labels:
            yield Finding("play-device-basic-only", Tier.WARNING)
        else:
            yield Finding("play-device-integrity", Tier.CONTRAINDICATED)
    if play.app_recognition == "UNRECOGNIZED_VERSION":
        yield Finding("play-app-unrecognized", Tier.WARNING, advice="update-app")
    elif play.app_recognition != "PLAY_RECOGNIZED":
        yield Finding("play-app-unevaluated", Tier.WARNING)
    if play.licensing == "UNLICENSED":
        yield Finding("play-unlicensed", Tier.WARNING)
    if play.play_protect not in _QUIET_PROTECT:
        # A warning only: seen on one in seven otherwise good devices.
        yield Finding("play-protect-risk", Tier.WARNING)
    if play.apps_detected and not _QUIET_APPS.issuperset(play.apps_detected):
        yield Finding("play-app-access-risk", Tier.WARNING)
    if play.device_activity not in _QUIET_ACTIVITY:
        yield Finding("play-device-activity", Tier.WARNING)
    if any(label.startswith("HIGH_RISK") for label in play.location_spoofing):
        yield Finding("play-location-spoofing", Tier.WARNING)
    if play.unread:
        # What could not be read counts as absent, and absent must not help.
        yield Finding("play-verdict-unread", Tier.WARNING)


def patch_month(level: int | None) -> int | None:
    """A patch level (YYYYMM or YYYYMMDD) as months since year 0; ``None`` when absent, 0 or no such month."""
    if level is None:
        return None
    if level > 999_999:
        level //= 100
    year, month = divmod(level, 100)
    return year * 12 + month if _FIRST_PATCH_YEAR <= year < 2100 and 1 <= month <= 12 else None


def _month_of(now: float) -> int:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.year * 12 + moment.month
