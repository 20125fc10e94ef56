"""The default policy's rules for HarmonyOS, in plain code: the oracle that default.cedar is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attestation.appraisal.result import Finding, Tier
from attestation.claims import Claims, HarmonyClaims, HarmonyIntegrityClaims
from attestation.encoding.subject_key import P256
from attestation.evidence import IntegrityProfile
from attestation.harmony.key_attestation import (
    CLAIMS_UNREAD,
    DEVICE_IDENTIFIED,
    ISSUED_ON_DEVICE,
    RELEASE,
    REVOCATION_UNCHECKED,
    SIGNER_UNPINNED,
    TEE_LEVEL,
    VERSION_UNKNOWN,
)

ASK_FOR_INTEGRITY: Final = "device-integrity"
"""Advice: send ``harmony-device-integrity`` beside the next evidence."""


def harmony_findings(claims: Claims, *, now: float | None, integrity_hours: int) -> Iterator[Finding]:
    """What objects to a HarmonyOS key. ``now`` is Unix seconds; without it nothing is too old."""
    harmony = claims.harmony
    if harmony is None:
        return
    yield from _key_findings(harmony)
    for finding in (SIGNER_UNPINNED, REVOCATION_UNCHECKED, DEVICE_IDENTIFIED, VERSION_UNKNOWN):
        if finding in claims.findings:
            yield Finding(finding, Tier.WARNING)
    for finding in (CLAIMS_UNREAD, ISSUED_ON_DEVICE):
        if finding in claims.findings:
            yield Finding(finding, Tier.WARNING, enforced=False)
    if harmony.integrity is None:
        yield Finding("harmony-device-integrity-missing", Tier.WARNING, advice=ASK_FOR_INTEGRITY)
        return
    if harmony.integrity.profile == IntegrityProfile.HMS:
        # HMS Core speaks of Android packages. A HUKS key belongs to a HarmonyOS app: the two may be two devices.
        yield Finding("harmony-device-integrity-of-hms-core", Tier.WARNING, advice=ASK_FOR_INTEGRITY)
    yield from integrity_findings(harmony.integrity)
    if now is not None and now - harmony.integrity.checked_at > integrity_hours * 3600:
        yield Finding("harmony-device-integrity-old", Tier.WARNING, advice=ASK_FOR_INTEGRITY)


def _key_findings(harmony: HarmonyClaims) -> Iterator[Finding]:
    if harmony.key_algorithm != P256:
        # RSA, SM2, X25519: genuine, but it signs neither renewals nor proofs, so no client could prove possession of
        # it.
        yield Finding("harmony-key-cannot-sign", Tier.CONTRAINDICATED)
    if harmony.app_mode is None:
        yield Finding("harmony-app-mode-unknown", Tier.WARNING, advice="update-os")
    elif harmony.app_mode != RELEASE:
        # A debug build lets a debugger in; a mode that is not known here never helps.
        yield Finding("harmony-app-not-release", Tier.CONTRAINDICATED)
    if harmony.key_origin is None:
        yield Finding("harmony-key-origin-unknown", Tier.WARNING, advice="update-os")
    elif harmony.key_origin_level != TEE_LEVEL and not harmony.simulator:
        # The operating system's word, not the TEE's. The simulator knows no other: its switch relaxes this.
        yield Finding("harmony-key-origin-from-os", Tier.WARNING)


def integrity_findings(integrity: HarmonyIntegrityClaims) -> Iterator[Finding]:
    """What objects to a SysIntegrity verdict. A detail that is not known here never helps: none is a good one."""
    if not integrity.basic_integrity:
        yield Finding("harmony-device-integrity-failed", Tier.CONTRAINDICATED)
    if integrity.details:
        yield Finding("harmony-device-integrity-detail", Tier.CONTRAINDICATED)
    if integrity.unread:
        # Recorded, so that Huawei's spelling becomes known; nothing rests on these members.
        yield Finding("harmony-device-integrity-unread", Tier.WARNING, enforced=False)
    if integrity.signer_is_ca:
        # Huawei's service, or a phone's own CA: nothing tells the two apart.
        yield Finding("harmony-device-integrity-signer-unclear", Tier.WARNING)
