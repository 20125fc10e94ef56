"""How Android evidence of the case files is verified, and how its claims are named there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from attestation.android import key_attestation, play_integrity
from attestation.android.play_token import play_integrity_keys
from attestation.android.revocation import StatusList, parse_status_list
from attestation.claims import Claims, PlayClaims
from attestation.endorsements import Endorsements, pinned_endorsements
from attestation.evidence import PlayIntegrityToken
from attestation.reference_values import AndroidReferenceValues, PlayIntegrityKeys, ReferenceValues
from attestation.verify import verify

from bonafide.conformance.case_file import Case, CaseUnusable
from bonafide.conformance.case_runners import (
    Runner,
    Verified,
    anchors_for,
    evidence_as,
    evidence_of,
    facts_named,
    hash_of,
)
from bonafide.conformance.verdicts_alone import play_findings

_BOOT_STATES: Final = {"verified": 0, "self-signed": 1, "unverified": 2, "failed": 3}


def _key_attestation(case: Case) -> Verified:
    claims = verify(
        evidence_of(case),
        client_data_hash=hash_of(case),
        reference_values=ReferenceValues(android=android_reference_values(case)),
        endorsements=android_endorsements(case),
        now=case.at,
    )
    return Verified(key_facts(claims), claims)


def _play_integrity(case: Case) -> Verified:
    play = play_integrity.verify_play_integrity(
        evidence_as(case, PlayIntegrityToken, "integrity token"),
        client_data_hash=hash_of(case),
        reference_values=android_reference_values(case),
        now=case.at,
    )
    return Verified(play_facts(play), None, play_findings(play))


ANDROID_RUNNERS: Final[dict[str, Runner]] = {
    key_attestation.FORMAT: _key_attestation,
    play_integrity.FORMAT: _play_integrity,
}
"""The runner of each Android format."""


_ANDROID_FACTS: Final = (
    "attestation_version", "keymint_version", "security_level", "key_security_level", "os_version", "os_patch_level",
    "vendor_patch_level", "boot_patch_level", "device_locked", "verified_boot_key", "verified_boot_hash", "origin",
    "purposes", "packages", "signing_digests", "key_algorithm",
)  # fmt: skip


def key_facts(claims: Claims) -> dict[str, object]:
    """The claims of a key attestation, under the names of case files."""
    android = claims.android
    if android is None:
        return {}
    return {
        **facts_named(android, *_ANDROID_FACTS),
        "provisioning": "software/unknown" if android.provisioning == "unknown" else android.provisioning,
        "verified_boot_state": _BOOT_STATES[android.verified_boot_state],
        "key_storage": claims.key_storage.value,
        "public_key": claims.public_key.hex(),
        "platform": claims.platform.value,
        **facts_named(claims, "chain_profile", "app_id", "key_id", "findings"),
    }


def play_facts(play: PlayClaims) -> dict[str, object]:
    """The claims of a Play Integrity verdict, under Google's names in snake case."""
    return {
        "token": play.token,
        "app_recognition_verdict": play.app_recognition,
        "package": play.package,
        "version_code": play.version_code,
        "signing_digests": list(play.signing_digests),
        "device_recognition_verdict": list(play.device_labels),
        "sdk_version": play.sdk_version,
        "device_activity_level": play.device_activity,
        "app_licensing_verdict": play.licensing,
        "play_protect_verdict": play.play_protect,
        "apps_detected": None if play.apps_detected is None else list(play.apps_detected),
        "is_testing_response": play.testing,
    }


def android_reference_values(case: Case) -> AndroidReferenceValues:
    """What the case expects of the app. Raises :class:`CaseUnusable`."""
    expected: Any = case.reference_values.get("android")
    try:
        keys = expected.get("play_integrity", [])
        return AndroidReferenceValues(
            packages=tuple(str(package) for package in expected["packages"]),
            signing_digests=frozenset(map(bytes.fromhex, expected["signing_digests"])),
            verified_boot_keys=frozenset(map(bytes.fromhex, expected.get("verified_boot_keys", []))),
            play_integrity=tuple(_key_pair(pair) for pair in (keys if isinstance(keys, list) else [keys])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaseUnusable(
            "reference_values.android must hold packages, signing_digests and, optionally, verified_boot_keys and "
            "play_integrity"
        ) from error


def _key_pair(pair: Any) -> PlayIntegrityKeys:
    return play_integrity_keys(decryption_key=pair["decryption_key"], verification_key=pair["verification_key"])


def android_endorsements(case: Case) -> Endorsements:
    """Pinned anchors or the case's own; the case's status list, or an empty one, as fetched at the case's time."""
    endorsements = pinned_endorsements()
    for purpose, anchors in anchors_for(case).items():
        if purpose != key_attestation.FORMAT:
            raise CaseUnusable(f"trust_anchors for {purpose}, which this format does not use")
        endorsements = replace(endorsements, android_attestation=anchors)
    return endorsements.with_android_status(_status_list(case))


def _status_list(case: Case) -> StatusList:
    unknown = case.endorsements.keys() - {"android_status_list"}
    if unknown:
        raise CaseUnusable(f"endorsements.{', endorsements.'.join(sorted(unknown))} is not known")
    listed = case.endorsements.get("android_status_list")
    if listed is None:
        return StatusList({}, case.at)
    return parse_status_list(json.dumps(listed).encode("utf-8"), fetched_at=case.at)
