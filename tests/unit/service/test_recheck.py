"""Recheck, the library's part: claims of an enrolment against today's reference values and status list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.android.revocation import StatusList
from attestation.claims import Claims
from attestation.endorsements import Endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, Reason
from attestation.recheck import recheck
from attestation.reference_values import ReferenceValues

from tests.service_stack.memory_stack import ANDROID, ENDORSEMENTS, HARMONY, NOW, MemoryStack

EXPECTED = ReferenceValues(android=ANDROID, harmony=HARMONY)


def listing(*serials: str) -> Endorsements:
    return ENDORSEMENTS.with_android_status(StatusList(dict.fromkeys(serials, "REVOKED"), NOW))


@pytest.fixture
def android(stack: MemoryStack) -> Claims:
    phone = stack.android()
    stack.enrol(phone)
    return stack.attested_keys.rows[phone.bonafide_key_id].claims


@pytest.fixture
def harmony(stack: MemoryStack) -> Claims:
    device = stack.harmony()
    stack.enrol(device)
    return stack.attested_keys.rows[device.bonafide_key_id].claims


def reason(claims: Claims, expected: ReferenceValues, endorsements: Endorsements) -> Reason:
    with pytest.raises(AttestationError) as refused:
        recheck(claims, reference_values=expected, endorsements=endorsements)
    return refused.value.reason


def test_claims_that_still_hold_stay_as_they_are(android: Claims, harmony: Claims) -> None:
    """The default that each case below changes in one place."""
    assert recheck(android, reference_values=EXPECTED, endorsements=listing()) == android
    assert recheck(harmony, reference_values=EXPECTED, endorsements=ENDORSEMENTS) == harmony


def test_apple_claims_are_left_to_their_assertions(stack: MemoryStack) -> None:
    """An assertion proves the app id anew; nothing else is asked."""
    iphone = stack.installation()
    stack.enrol(iphone)
    claims = stack.attested_keys.rows[iphone.bonafide_key_id].claims
    assert recheck(claims, reference_values=ReferenceValues(), endorsements=ENDORSEMENTS) is claims


def test_every_serial_of_the_chain_is_looked_up(android: Claims) -> None:
    """Batch, intermediates and in-chain root; a leaf's serial 1 is not among them."""
    assert android.android is not None
    serials = android.android.chain_serials
    assert len(serials) >= 3
    assert "1" not in serials
    for serial in serials:
        assert reason(android, EXPECTED, listing(serial)) is Reason.CERTIFICATE_REVOKED


def test_entry_1_revokes_nobody(android: Claims) -> None:
    """Google's own example has it; nearly every leaf carries that serial."""
    assert recheck(android, reference_values=EXPECTED, endorsements=listing("1")) == android


def test_without_any_list_nothing_renews(android: Claims) -> None:
    """An absent list is not an empty one."""
    with pytest.raises(EndorsementsUnavailable):
        recheck(android, reference_values=EXPECTED, endorsements=ENDORSEMENTS)


def test_list_of_any_age_is_enforced(android: Claims) -> None:
    """Ten years old: what it knows is still true."""
    ancient = ENDORSEMENTS.with_android_status(StatusList({}, NOW - 315_360_000))
    assert recheck(android, reference_values=EXPECTED, endorsements=ancient) == android


def test_key_of_the_simulator_needs_its_switch(harmony: Claims) -> None:
    """The switch is turned off: keys that it let in stop renewing."""
    assert harmony.harmony is not None
    simulated = replace(harmony, harmony=replace(harmony.harmony, simulator=True))
    assert reason(simulated, EXPECTED, ENDORSEMENTS) is Reason.ANCHOR_UNKNOWN
    switched_on = replace(ENDORSEMENTS, harmony_simulator=ENDORSEMENTS.harmony_anonymous[:1])
    assert recheck(simulated, reference_values=EXPECTED, endorsements=switched_on) == simulated


def test_second_signer_that_is_withdrawn_is_noticed(android: Claims) -> None:
    """Every signer that the attestation named must still be listed, not just one of them."""
    assert android.android is not None
    two = replace(
        android, android=replace(android.android, signing_digests=(*android.android.signing_digests, "00" * 32))
    )
    assert reason(two, EXPECTED, listing()) is Reason.SIGNER_MISMATCH
