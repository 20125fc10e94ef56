"""Reverify: compare what an enrolment proved with today's reference values and revocations.

A renewal says little but that the key is at hand. Whether its app is still ours, by our signers, and whether its vendor
still stands by the chain, must be asked anew each time: otherwise a key that enrolled before an app was withdrawn,
under a root that was trusted for a test, or with a keybox whose leak was noticed later, would renew for ever.
"""

from __future__ import annotations

from dataclasses import replace
from hmac import compare_digest

from attestation.claims import AndroidClaims, Claims, HarmonyClaims
from attestation.endorsements import Endorsements, TrustAnchor, require_anchors
from attestation.errors import EndorsementsUnavailable, Reason, RejectedEvidence
from attestation.evidence import AttestationKind
from attestation.harmony.simulator import is_simulator_root
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    HarmonyReferenceValues,
    ReferenceValues,
)
from attestation.seal import Seal


def reverify(claims: Claims, *, reference_values: ReferenceValues, endorsements: Endorsements) -> Claims:
    """The stored ``claims`` of a renewing key, as far as they hold today.

    The Android status list is used at any age: a revocation that is known is enforced, and a list that cannot be
    refreshed stops new keys only. Claims that name no anchor, or another than those trusted for their format, have no
    root. Raises :class:`RejectedEvidence` (``reference-values-missing``, ``app-mismatch``, ``signer-mismatch``,
    ``environment-not-allowed``, ``certificate-revoked``, ``anchor-unknown``), or :class:`EndorsementsUnavailable`
    without any anchor or list.
    """
    if claims.apple is not None:
        _apple(claims, reference_values.apple)
        _check_anchor(claims, endorsements.apple_attestation)
        return claims
    if claims.android is not None:
        android = _android(claims, claims.android, reference_values.android)
        _check_anchor(claims, endorsements.android_attestation)
        _check_revocation(claims.android, endorsements)
        return replace(claims, seal=Seal.VERIFIED, android=android)
    if claims.harmony is not None:
        _harmony(claims.harmony, reference_values.harmony)
        _check_anchor(claims, _harmony_anchors(claims.harmony, endorsements))
        return claims
    raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "nothing is known of the key's enrolment")


def _check_anchor(claims: Claims, anchors: tuple[TrustAnchor, ...]) -> None:
    """The root may have been a test's, or its vendor's until it leaked: what it vouched for falls with it."""
    enrolled = claims.anchor or ""
    if not any(compare_digest(enrolled, anchor.digest) for anchor in require_anchors(anchors)):
        raise RejectedEvidence(Reason.ANCHOR_UNKNOWN, "the root that this key enrolled under is no longer trusted")


def _apple(claims: Claims, expected: AppleReferenceValues | None) -> None:
    if expected is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is no longer registered for Apple platforms")
    if claims.app_id not in expected.app_ids:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key's app id is no longer registered")
    if claims.environment not in expected.environments:
        raise RejectedEvidence(
            Reason.ENVIRONMENT_NOT_ALLOWED, f"keys of the {claims.environment} environment are no longer let in"
        )


def _android(claims: Claims, android: AndroidClaims, expected: AndroidReferenceValues | None) -> AndroidClaims:
    if expected is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is no longer registered for Android")
    if claims.app_id not in expected.packages:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key's package is no longer registered")
    for digest in android.signing_digests:
        if not any(compare_digest(bytes.fromhex(digest), listed) for listed in expected.signing_digests):
            raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the key's signer is no longer registered")
    return replace(
        android,
        boot_key_listed=bytes.fromhex(android.verified_boot_key) in expected.verified_boot_keys,
        play_expected=expected.play_expected,
    )


def _check_revocation(android: AndroidClaims, endorsements: Endorsements) -> None:
    if endorsements.android_status is None:
        raise EndorsementsUnavailable(Reason.ENDORSEMENTS_MISSING, "no Android status list was fetched yet")
    status_list = endorsements.android_status
    own = android.device_certificate  # a refusal is logged, and must not join the installs of one device
    named = (
        *(
            (
                "the device's certificate" if serial == own else f"serial {serial}",
                status_list.status_of(int(serial, 16)),
            )
            for serial in android.chain_serials
        ),
        *((f"subject {name}", status_list.status_of_name(name)) for name in android.chain_names),
    )
    for what, status in named:
        if status is not None:
            raise RejectedEvidence(Reason.CERTIFICATE_REVOKED, f"since it enrolled, {what} of its chain: {status[:32]}")


def _told(serial: str, own: str | None) -> str:
    return "the device's certificate" if serial == own else f"serial {serial}"


def _harmony(harmony: HarmonyClaims, expected: HarmonyReferenceValues | None) -> None:
    if expected is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is no longer registered for HarmonyOS")
    if harmony.bundle_name not in expected.bundle_names:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key's bundle is no longer registered")
    pinned = expected.app_ids or expected.app_identifiers
    if pinned and harmony.app_id not in expected.app_ids and harmony.app_identifier not in expected.app_identifiers:
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the key's app id is no longer registered")


def _harmony_anchors(harmony: HarmonyClaims, endorsements: Endorsements) -> tuple[TrustAnchor, ...]:
    """Those that verification would take today for a key of this kind. The simulator's only through its switch."""
    if harmony.simulator:
        if not endorsements.harmony_simulator:
            raise RejectedEvidence(Reason.ANCHOR_UNKNOWN, "the simulator that this key lives in is no longer let in")
        return endorsements.harmony_simulator
    anonymous = harmony.kind == AttestationKind.ANONYMOUS
    anchors = endorsements.harmony_anonymous if anonymous else endorsements.harmony_non_anonymous
    return tuple(anchor for anchor in anchors if not is_simulator_root(anchor.spki))
