"""Device integrity beside a key: one request, one client data, one app; and what renewals keep of it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from attestation.attested_key import AttestedKey
from attestation.claims import Claims, Platform
from attestation.errors import AttestationError, MalformedEvidence, Reason
from attestation.evidence import (
    Evidence,
    HarmonyDeviceIntegrity,
    HarmonyKeyAttestation,
    KeySignature,
    PlayIntegrityToken,
)
from attestation.reference_values import AppleReferenceValues, ReferenceValues
from attestation.verify import verify, verify_additional_evidence
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.harmony.device import SoftwareHarmony
from tests.minted_claims import changed_claims

from .scene import BUNDLE, CLIENT_DATA, DIGEST, ENDORSEMENTS, EXPECTED, NOW, device_of

OTHER_BUNDLE = "org.example.other"
REFERENCE_VALUES = ReferenceValues(harmony=replace(EXPECTED, bundle_names=(BUNDLE, OTHER_BUNDLE)))


def enrolled(device: SoftwareHarmony, key: ec.EllipticCurvePrivateKey) -> Claims:
    return verify(
        HarmonyKeyAttestation(device.attest_key(key, DIGEST)),
        client_data_hash=DIGEST,
        reference_values=REFERENCE_VALUES,
        endorsements=ENDORSEMENTS,
        now=NOW,
    )


def with_additional(claims: Claims, evidence: Evidence, digest: bytes = DIGEST, *, now: float = NOW) -> Claims:
    return verify_additional_evidence(
        claims,
        evidence,
        client_data_hash=digest,
        reference_values=REFERENCE_VALUES,
        endorsements=ENDORSEMENTS,
        now=now,
    )


def token_of(device: SoftwareHarmony, digest: bytes = DIGEST) -> HarmonyDeviceIntegrity:
    return HarmonyDeviceIntegrity(device.profile, device.check_integrity(digest))


def refusal(claims: Claims, evidence: Evidence) -> Reason:
    with pytest.raises(AttestationError) as error:
        with_additional(claims, evidence)
    return error.value.reason


def test_verdict_is_laid_beside_the_key() -> None:
    """The key's own facts stay as they were, and the whole survives the store."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    both = with_additional(claims, token_of(device))
    assert both.harmony is not None
    assert both.harmony.integrity is not None
    assert changed_claims(both, harmony=replace(both.harmony, integrity=None)) == claims
    assert Claims.of_stored_key(both.to_record()) == both


def test_verdict_alone_proves_no_key() -> None:
    """A holder of a token holds nothing that could sign."""
    with pytest.raises(MalformedEvidence) as error:
        verify(
            token_of(device_of()),
            client_data_hash=DIGEST,
            reference_values=REFERENCE_VALUES,
            endorsements=ENDORSEMENTS,
            now=NOW,
        )
    assert error.value.reason is Reason.FORMAT_UNKNOWN


def test_verdict_about_another_app_of_the_owner_does_not_go_beside() -> None:
    """Both bundles are registered; a key of one and a verdict on the other are glued together."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    assert refusal(claims, token_of(device_of(bundle_name=OTHER_BUNDLE))) is Reason.APP_MISMATCH


def test_verdict_over_other_client_data_does_not_go_beside() -> None:
    """One request, one client data."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    assert refusal(claims, token_of(device, sha256(b"other").digest())) is Reason.CHALLENGE_MISMATCH


def test_verdict_does_not_go_beside_a_key_of_another_platform() -> None:
    """A Huawei phone's verdict says nothing about an iPhone's key."""
    device = device_of()
    claims = changed_claims(enrolled(device, device.generate_key()), platform=Platform.IOS, harmony=None)
    assert refusal(claims, token_of(device)) is Reason.KEY_OTHER_PLATFORM


def test_key_does_not_go_beside_a_key() -> None:
    """Only evidence without a key is additional evidence."""
    device = device_of()
    key = device.generate_key()
    assert (
        refusal(enrolled(device, key), HarmonyKeyAttestation(device.attest_key(key, DIGEST))) is Reason.FORMAT_UNKNOWN
    )


def test_play_verdict_needs_android_reference_values() -> None:
    """An app without Android has no keys to open a Play token."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    assert refusal(claims, PlayIntegrityToken("a.b.c.d.e")) is Reason.REFERENCE_VALUES_MISSING


def test_app_of_other_platforms_takes_no_verdict() -> None:
    """The app must be registered for HarmonyOS."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    with pytest.raises(AttestationError) as error:
        verify_additional_evidence(
            claims,
            token_of(device),
            client_data_hash=DIGEST,
            reference_values=ReferenceValues(apple=AppleReferenceValues(app_ids=("A.b",))),
            endorsements=ENDORSEMENTS,
            now=NOW,
        )
    assert error.value.reason is Reason.REFERENCE_VALUES_MISSING


def renewed(device: SoftwareHarmony, key: ec.EllipticCurvePrivateKey, claims: Claims) -> Claims:
    newer = verify(
        KeySignature(device.sign(key, CLIENT_DATA)),
        client_data_hash=DIGEST,
        reference_values=REFERENCE_VALUES,
        endorsements=ENDORSEMENTS,
        now=NOW,
        attested_key=AttestedKey(public_key=claims.public_key, claims=claims),
    )
    return claims.renewed(newer)


def test_harmony_key_renews_by_its_signature() -> None:
    """The enrolment's facts stand, the verdict among them."""
    device = device_of()
    key = device.generate_key()
    claims = with_additional(enrolled(device, key), token_of(device))
    assert renewed(device, key, claims) == claims


def test_renewal_with_a_new_verdict_replaces_the_old() -> None:
    """A device that was sound at enrolment may not be now."""
    device = device_of()
    key = device.generate_key()
    claims = with_additional(enrolled(device, key), token_of(device))
    broken = token_of(device_of(basic_integrity=False, details=("jailbreak",)))
    after = claims.renewed(with_additional(renewed(device, key, claims), broken))
    assert after.harmony is not None
    assert after.harmony.integrity is not None
    assert (after.harmony.integrity.basic_integrity, after.harmony.integrity.details) == (False, ("jailbreak",))


def test_key_of_another_device_does_not_renew() -> None:
    """A signature by the wrong key is refused, as on Android."""
    device = device_of()
    claims = enrolled(device, device.generate_key())
    with pytest.raises(AttestationError) as error:
        renewed(device, device.generate_key(), claims)
    assert error.value.reason is Reason.SIGNATURE_INVALID
