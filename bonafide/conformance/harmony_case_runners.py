"""How HarmonyOS evidence of the case files is verified, and how its claims are named there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from attestation.claims import Claims, HarmonyIntegrityClaims
from attestation.encoding.certificate import certificates_from_pem
from attestation.endorsements import Endorsements, pinned_endorsements
from attestation.evidence import AttestationKind, HarmonyDeviceIntegrity, IntegrityProfile
from attestation.harmony import device_integrity, key_attestation
from attestation.harmony.simulator import is_simulator_root
from attestation.reference_values import HarmonyReferenceValues, ReferenceValues
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
from bonafide.conformance.verdicts_alone import integrity_findings

# What a case's trust_anchors may name, and the anchors they take the place of. A format alone means all of it.
_PURPOSES: Final = {
    f"{key_attestation.FORMAT}/{AttestationKind.ANONYMOUS}": ("harmony_anonymous",),
    f"{key_attestation.FORMAT}/{AttestationKind.NON_ANONYMOUS}": ("harmony_non_anonymous",),
    key_attestation.FORMAT: ("harmony_anonymous", "harmony_non_anonymous"),
    f"{device_integrity.FORMAT}/{IntegrityProfile.HMS}": ("harmony_hms",),
    f"{device_integrity.FORMAT}/{IntegrityProfile.NEXT}": ("harmony_next",),
    f"{device_integrity.FORMAT}/{IntegrityProfile.ENHANCED}": ("harmony_enhanced",),
    device_integrity.FORMAT: ("harmony_hms", "harmony_next", "harmony_enhanced"),
}


def _key_attestation(case: Case) -> Verified:
    claims = verify(
        evidence_of(case),
        client_data_hash=hash_of(case),
        reference_values=ReferenceValues(harmony=harmony_reference_values(case)),
        endorsements=harmony_endorsements(case),
        now=case.at,
    )
    return Verified(key_facts(claims), claims)


def _device_integrity(case: Case) -> Verified:
    """A verdict is judged by its own rules: the key that would stand beside it is not in the case."""
    integrity = device_integrity.verify_device_integrity(
        evidence_as(case, HarmonyDeviceIntegrity, "integrity token"),
        client_data_hash=hash_of(case),
        reference_values=harmony_reference_values(case),
        endorsements=harmony_endorsements(case),
        now=case.at,
    )
    return Verified(integrity_facts(integrity), None, integrity_findings(integrity))


HARMONY_RUNNERS: Final[dict[str, Runner]] = {
    key_attestation.FORMAT: _key_attestation,
    device_integrity.FORMAT: _device_integrity,
}
"""The runner of each HarmonyOS format."""


_HARMONY_FACTS: Final = (
    "kind", "bundle_name", "app_id", "app_identifier", "app_mode", "key_origin", "key_origin_level",
    "key_manager_level", "key_algorithm", "model", "device_security_level", "simulator",
)  # fmt: skip
_INTEGRITY_FACTS: Final = (
    "profile", "basic_integrity", "details", "bundle_name", "app_id", "signing_digests", "version", "advice",
)  # fmt: skip


def key_facts(claims: Claims) -> dict[str, object]:
    """The claims of a HUKS attestation, under the names of case files. ``None`` is absent."""
    harmony = claims.harmony
    if harmony is None:
        return {}
    return {
        **facts_named(harmony, *_HARMONY_FACTS),
        "key_manager_id": None if harmony.key_manager_level is None else key_attestation.KEY_MANAGER_ID.hex(),
        "key_storage": claims.key_storage.value,
        "boot_state": None,  # no HUKS attestation has one
        "platform": claims.platform.value,
        "environment": claims.environment.value,
        "public_key": claims.public_key.hex(),
        **facts_named(claims, "chain_profile", "key_id", "findings"),
    }


def integrity_facts(integrity: HarmonyIntegrityClaims) -> dict[str, object]:
    """The claims of a SysIntegrity verdict, under Huawei's names in snake case."""
    return {
        **facts_named(integrity, *_INTEGRITY_FACTS),
        "detail": list(integrity.details),
        "timestamp": round(integrity.checked_at * 1000),
    }


def harmony_reference_values(case: Case) -> HarmonyReferenceValues:
    """What the case expects of the app. Raises :class:`CaseUnusable`."""
    expected: Any = case.reference_values.get("harmony")
    try:
        return HarmonyReferenceValues(
            bundle_names=tuple(str(name) for name in expected["bundle_names"]),
            app_ids=tuple(str(app_id) for app_id in expected.get("app_ids", [])),
            app_identifiers=tuple(str(identifier) for identifier in expected.get("app_identifiers", [])),
            signing_digests=frozenset(map(bytes.fromhex, expected.get("signing_digests", []))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaseUnusable(
            "reference_values.harmony must hold bundle_names and, optionally, app_ids, app_identifiers and "
            "signing_digests"
        ) from error


def harmony_endorsements(case: Case) -> Endorsements:
    """Pinned anchors or the case's own. A case that lists the OpenHarmony simulator's root allows it that way."""
    if case.endorsements:
        raise CaseUnusable("HarmonyOS formats use no endorsements but trust anchors")
    endorsements = pinned_endorsements()
    for purpose, anchors in anchors_for(case).items():
        if purpose not in _PURPOSES:
            raise CaseUnusable(f"trust_anchors for {purpose}, which this format does not use")
        simulator = [anchor for anchor in anchors if is_simulator_root(anchor.spki)]
        genuine = tuple(anchor for anchor in anchors if anchor not in simulator)
        if simulator and purpose.startswith(key_attestation.FORMAT):
            endorsements = endorsements.with_openharmony_simulator(_simulator_root(case, purpose))
        if genuine or not simulator:
            replaced: dict[str, Any] = dict.fromkeys(_PURPOSES[purpose], genuine)
            endorsements = replace(endorsements, **replaced)
    return endorsements


def _simulator_root(case: Case, purpose: str) -> bytes:
    for text in (case.trust_anchors or {})[purpose]:
        for certificate in certificates_from_pem(text):
            if is_simulator_root(certificate.spki):
                return certificate.raw
    raise CaseUnusable("the simulator's root is not among the trust anchors")
