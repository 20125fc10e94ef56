"""Which sealing key a request endorses, and what is known of it."""

from __future__ import annotations

from typing import Final

from attestation.claims import AndroidClaims, Claims, HarmonyClaims, KeyStorage
from attestation.encoding.jose import EcPublicKey, public_key_from_point
from attestation.endorsements import Endorsements
from attestation.errors import Reason, RejectedEvidence
from attestation.evidence import (
    AndroidKeyAttestation,
    AndroidSealingKeyAttestation,
    HarmonyKeyAttestation,
    HarmonySealingKeyAttestation,
    SealingKeyEvidence,
)
from attestation.reference_values import ReferenceValues
from attestation.sealing.sealing_key import SealingKey, SealingKeyStorage
from attestation.verify import verify

_ANDROID_AGREE_KEY: Final = frozenset({6})  # KeyPurpose.AGREE_KEY, KeyMint 1 and later (Android 12)
_HUKS_AGREE: Final = 256  # HUKS_KEY_PURPOSE_AGREE, a bit of its own
_PURPOSE: Final = "key-purpose"
_TEE: Final = 3


def endorsed_sealing_key(key: EcPublicKey, *, claims: Claims, proved: bool, known: SealingKey | None) -> SealingKey:
    """The sealing key that verified client data names.

    ``claims`` are those of the attested key; ``proved`` says whether :func:`verify_sealing_key` passed for this key.
    What was ``known`` of the very same key stays known: a renewal does not attest it again. Raises
    :class:`RejectedEvidence` for a key that has another use already.
    """
    if key.point == claims.public_key:
        raise RejectedEvidence(Reason.KEY_PURPOSE, "the attested key signs, so it seals nothing")
    endorsed = SealingKey.of(key, SealingKeyStorage.ATTESTED if proved else SealingKeyStorage.CLAIMED)
    return known if known is not None and known.compressed == endorsed.compressed and not proved else endorsed


def verify_sealing_key(
    evidence: SealingKeyEvidence,
    *,
    sealing_key: EcPublicKey | None,
    claims: Claims,
    client_data_hash: bytes,
    reference_values: ReferenceValues,
    endorsements: Endorsements,
    now: float,
) -> EcPublicKey:
    """The sealing key, which hardware keeps for agreement alone, in the app and system of the attested key.

    ``sealing_key`` is what client data names; ``None`` on Android, where the challenge of a key is fixed when the key
    is made, so that the client data behind it cannot name it: then it is the key of the chain.

    The chain passes every step of a key attestation, over the same client data. Beyond: its key is the sealing key, in
    hardware, of one purpose, and what it says of app and boot is what the attested key's said. What that cannot tell
    apart: two devices of one model, both with the genuine app. Raises as :func:`attestation.verify.verify` does.
    """
    plain: AndroidKeyAttestation | HarmonyKeyAttestation
    match evidence:
        case AndroidSealingKeyAttestation():
            plain = AndroidKeyAttestation(evidence.certificate_chain)
        case HarmonySealingKeyAttestation():
            plain = HarmonyKeyAttestation(evidence.certificate_chain, evidence.kind)
    proved = verify(
        plain,
        client_data_hash=client_data_hash,
        reference_values=reference_values,
        endorsements=endorsements,
        now=now,
    )
    if proved.platform is not claims.platform:
        raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a sealing key of another platform than the attested key")
    if sealing_key is not None and proved.public_key != sealing_key.point:
        raise RejectedEvidence(Reason.KEY_MISMATCH, "the attestation is of another key than the sealing key")
    if proved.key_storage is KeyStorage.SOFTWARE:
        raise RejectedEvidence(Reason.KEY_PURPOSE, "the sealing key is in software")
    if proved.app_id != claims.app_id:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the sealing key is of another app than the attested key")
    if proved.android is not None and claims.android is not None:
        _require_android(proved.android, claims.android)
    if proved.harmony is not None and claims.harmony is not None:
        _require_harmony(proved.harmony, claims.harmony)
    return sealing_key or public_key_from_point(proved.public_key)


def _require_android(sealing: AndroidClaims, attested: AndroidClaims) -> None:
    if frozenset(sealing.purposes) != _ANDROID_AGREE_KEY:
        raise RejectedEvidence(Reason.KEY_PURPOSE, "the sealing key is not for agreement alone")
    if _android_boot(sealing) != _android_boot(attested):
        raise RejectedEvidence(Reason.KEY_MISMATCH, "sealing key and attested key are of differently booted devices")


def _android_boot(claims: AndroidClaims) -> tuple[object, ...]:
    # Not the device's own certificate: StrongBox and TEE have one each, and Google exchanges both while a key lives.
    return claims.verified_boot_state, claims.device_locked, claims.verified_boot_key


def _require_harmony(sealing: HarmonyClaims, attested: HarmonyClaims) -> None:
    if sealing.key_purposes != _HUKS_AGREE or sealing.claim_levels.get(_PURPOSE) != _TEE:
        raise RejectedEvidence(Reason.KEY_PURPOSE, "the sealing key is not for agreement alone")
    if (sealing.app_id, sealing.simulator) != (attested.app_id, attested.simulator):
        raise RejectedEvidence(Reason.APP_MISMATCH, "the sealing key is of another app than the attested key")
