"""Recheck: what an enrolment proved, held against what is expected and known to be revoked today.

A renewal by key signature says nothing but that the key is at hand. Whether its app is still ours, by our signers, and
whether its vendor still stands by the chain, must be asked anew each time: otherwise a key that enrolled before an app
was withdrawn, or with a keybox whose leak was noticed later, would renew for ever.
"""

from __future__ import annotations

from dataclasses import replace
from hmac import compare_digest

from .claims import AndroidClaims, Claims, HarmonyClaims
from .endorsements import Endorsements
from .errors import EndorsementsUnavailable, Reason, RejectedEvidence
from .reference_values import AndroidReferenceValues, HarmonyReferenceValues, ReferenceValues


def recheck(claims: Claims, *, reference_values: ReferenceValues, endorsements: Endorsements) -> Claims:
    """The stored ``claims`` of a renewing key, as they stand today. Apple's assertions are checked by themselves.

    The Android status list is used at any age: a revocation that is known is enforced, and a list that cannot be
    refreshed stops new keys only. Raises :class:`RejectedEvidence` (``reference-values-missing``, ``app-mismatch``,
    ``signer-mismatch``, ``certificate-revoked``, ``anchor-unknown`` when the simulator's switch was turned off), or
    :class:`EndorsementsUnavailable` without any list.
    """
    if claims.android is not None:
        return replace(claims, android=_android(claims, claims.android, reference_values.android, endorsements))
    if claims.harmony is not None:
        _harmony(claims.harmony, reference_values.harmony, endorsements)
    return claims


def _android(
    claims: Claims, android: AndroidClaims, expected: AndroidReferenceValues | None, endorsements: Endorsements
) -> AndroidClaims:
    if expected is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is no longer registered for Android")
    if claims.app_id not in expected.packages:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key's package is no longer registered")
    for digest in android.signing_digests:
        if not any(compare_digest(bytes.fromhex(digest), listed) for listed in expected.signing_digests):
            raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the key's signer is no longer registered")
    if endorsements.android_status is None:
        raise EndorsementsUnavailable(Reason.ENDORSEMENTS_MISSING, "no Android status list was fetched yet")
    for serial in android.chain_serials:
        status = endorsements.android_status.status_of(int(serial, 16))
        if status is not None:
            raise RejectedEvidence(
                Reason.CERTIFICATE_REVOKED, f"since it enrolled, serial {serial} of its chain: {status[:32]}"
            )
    return replace(android, boot_key_listed=bytes.fromhex(android.verified_boot_key) in expected.verified_boot_keys)


def _harmony(harmony: HarmonyClaims, expected: HarmonyReferenceValues | None, endorsements: Endorsements) -> None:
    if expected is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is no longer registered for HarmonyOS")
    if harmony.simulator and not endorsements.harmony_simulator:
        raise RejectedEvidence(Reason.ANCHOR_UNKNOWN, "the simulator that this key lives in is no longer let in")
    if harmony.bundle_name not in expected.bundle_names:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key's bundle is no longer registered")
    pinned = expected.app_ids or expected.app_identifiers
    if pinned and harmony.app_id not in expected.app_ids and harmony.app_identifier not in expected.app_identifiers:
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the key's app id is no longer registered")
