"""Verify evidence of any platform: the entry point. Returns claims or raises an :class:`AttestationError`."""

from __future__ import annotations

from typing import TypeVar

from attestation.android.key_attestation import verify_key_attestation
from attestation.android.play_integrity import verify_play_integrity
from attestation.apple.assertion import verify_assertion
from attestation.apple.attestation import verify_attestation
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.endorsements import Endorsements
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import (
    AndroidKeyAttestation,
    AppleAssertion,
    AppleAttestation,
    Evidence,
    HarmonyDeviceIntegrity,
    HarmonyKeyAttestation,
    KeySignature,
    PlayIntegrityToken,
)
from attestation.harmony.device_integrity import verify_device_integrity
from attestation.harmony.key_attestation import verify_key_attestation as verify_huks_attestation
from attestation.key_signature import verify_key_signature
from attestation.reference_values import ReferenceValues

_T = TypeVar("_T")


def verify(
    evidence: Evidence,
    *,
    client_data_hash: bytes,
    reference_values: ReferenceValues,
    endorsements: Endorsements,
    now: float,
    attested_key: AttestedKey | None = None,
) -> Claims:
    """Verify one piece of evidence.

    ``client_data_hash`` is the value the evidence must bind, normally SHA-256 of the client data; ``now`` is Unix
    time in seconds; ``attested_key`` is the stored key that renewal evidence must be signed by. Pure: the same
    arguments give the same answer.
    """
    match evidence:
        case AppleAttestation():
            apple = _registered(reference_values.apple, "Apple platforms")
            return verify_attestation(
                evidence, client_data_hash=client_data_hash, reference_values=apple, endorsements=endorsements, now=now
            )
        case AppleAssertion():
            apple = _registered(reference_values.apple, "Apple platforms")
            key = _required(attested_key)
            return verify_assertion(
                evidence, client_data_hash=client_data_hash, reference_values=apple, attested_key=key
            )
        case AndroidKeyAttestation():
            android = _registered(reference_values.android, "Android")
            return verify_key_attestation(
                evidence,
                client_data_hash=client_data_hash,
                reference_values=android,
                endorsements=endorsements,
                now=now,
            )
        case HarmonyKeyAttestation():
            harmony = _registered(reference_values.harmony, "HarmonyOS")
            return verify_huks_attestation(
                evidence,
                client_data_hash=client_data_hash,
                reference_values=harmony,
                endorsements=endorsements,
                now=now,
            )
        case KeySignature():
            return verify_key_signature(
                evidence, client_data_hash=client_data_hash, attested_key=_required(attested_key)
            )
        case _:
            raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "this evidence proves nothing on its own")


def verify_additional_evidence(
    claims: Claims,
    evidence: Evidence,
    *,
    client_data_hash: bytes,
    reference_values: ReferenceValues,
    endorsements: Endorsements,
    now: float,
) -> Claims:
    """Verify evidence that proves no key of its own, and add what it says to ``claims`` of the same request.

    Such evidence can lower trust in a key, or confirm it; it never stands alone, so :func:`verify` refuses it. Raises
    as :func:`verify` does.
    """
    match evidence:
        case PlayIntegrityToken():
            android = _registered(reference_values.android, "Android")
            return claims.with_play(
                verify_play_integrity(evidence, client_data_hash=client_data_hash, reference_values=android, now=now)
            )
        case HarmonyDeviceIntegrity():
            harmony = _registered(reference_values.harmony, "HarmonyOS")
            integrity = verify_device_integrity(
                evidence,
                client_data_hash=client_data_hash,
                reference_values=harmony,
                endorsements=endorsements,
                now=now,
            )
            return claims.with_device_integrity(integrity)
        case _:
            raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "this evidence cannot accompany other evidence")


def _registered(values: _T | None, platform: str) -> _T:
    if values is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, f"the app is not registered for {platform}")
    return values


def _required(attested_key: AttestedKey | None) -> AttestedKey:
    if attested_key is None:
        raise RejectedEvidence(Reason.KEY_UNKNOWN, "renewal evidence without an attested key")
    return attested_key
