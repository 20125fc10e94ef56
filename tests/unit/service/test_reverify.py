"""Reverify, the library's part: claims of an enrolment against today's reference values and status list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.android.revocation import StatusList
from attestation.claims import Claims
from attestation.endorsements import Endorsements, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, Reason
from attestation.reference_values import AppleReferenceValues, Environment, ReferenceValues
from attestation.reverify import reverify

from tests.minted_claims import changed_claims
from tests.service_stack.memory_stack import ANDROID, APP_ID, ENDORSEMENTS, HARMONY, NOW, MemoryStack

APPLE = AppleReferenceValues(app_ids=(APP_ID,))
EXPECTED = ReferenceValues(apple=APPLE, android=ANDROID, harmony=HARMONY)


def listing(*serials: str) -> Endorsements:
    return ENDORSEMENTS.with_android_status(StatusList(dict.fromkeys(serials, "REVOKED"), NOW))


@pytest.fixture
def apple(stack: MemoryStack) -> Claims:
    iphone = stack.installation()
    stack.enrol(iphone)
    return stack.attested_keys.rows[iphone.bonafide_key_id].claims


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
        reverify(claims, reference_values=expected, endorsements=endorsements)
    return refused.value.reason


def test_claims_that_still_hold_stay_as_they_are(apple: Claims, android: Claims, harmony: Claims) -> None:
    """The default that each case below changes in one place."""
    assert reverify(apple, reference_values=EXPECTED, endorsements=ENDORSEMENTS) == apple
    assert reverify(android, reference_values=EXPECTED, endorsements=listing()) == android
    assert reverify(harmony, reference_values=EXPECTED, endorsements=ENDORSEMENTS) == harmony


@pytest.mark.parametrize(
    ("expected", "due"),
    [
        (ReferenceValues(), Reason.REFERENCE_VALUES_MISSING),
        (ReferenceValues(apple=replace(APPLE, app_ids=("ZZZZZ99999.org.example.demo",))), Reason.APP_MISMATCH),
        (
            ReferenceValues(apple=replace(APPLE, environments=frozenset({Environment.DEVELOPMENT}))),
            Reason.ENVIRONMENT_NOT_ALLOWED,
        ),
    ],
)
def test_apple_key_whose_app_or_environment_was_withdrawn_is_refused(
    apple: Claims, expected: ReferenceValues, due: Reason
) -> None:
    """A key of a development build, let in for a test, must not renew for ever."""
    assert reason(apple, expected, ENDORSEMENTS) is due


@pytest.mark.parametrize("platform", ["apple", "android", "harmony"])
def test_key_that_enrolled_under_a_root_no_longer_trusted_is_refused(
    platform: str, request: pytest.FixtureRequest
) -> None:
    """A test root in a stack that became the production one; or a row that names no root at all."""
    claims: Claims = request.getfixturevalue(platform)
    production = pinned_endorsements().with_android_status(StatusList({}, NOW))
    assert reason(claims, EXPECTED, production) is Reason.ANCHOR_UNKNOWN
    assert reason(changed_claims(claims, anchor=None), EXPECTED, listing()) is Reason.ANCHOR_UNKNOWN
    assert reverify(claims, reference_values=EXPECTED, endorsements=listing()) == claims


def test_key_whose_vendor_has_no_anchor_at_all_waits(apple: Claims) -> None:
    """Ours to correct: neither a pass nor the device's fault."""
    without = replace(ENDORSEMENTS, apple_attestation=())
    with pytest.raises(EndorsementsUnavailable):
        reverify(apple, reference_values=EXPECTED, endorsements=without)


def test_claims_of_no_platform_stand_on_nothing(apple: Claims) -> None:
    """Nothing was reverified, so nothing may pass."""
    assert reason(changed_claims(apple, apple=None), EXPECTED, ENDORSEMENTS) is Reason.KEY_OTHER_PLATFORM


def test_whether_play_is_expected_is_todays_word(android: Claims) -> None:
    """The owner turns the dial; keys that enrolled before feel it at their next renewal."""
    expected = ReferenceValues(android=replace(ANDROID, play_expected=True))
    current = reverify(android, reference_values=expected, endorsements=listing())
    assert current.android is not None
    assert current.android.play_expected


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
    assert reverify(android, reference_values=EXPECTED, endorsements=listing("1")) == android


def test_without_any_list_nothing_renews(android: Claims) -> None:
    """An absent list is not an empty one."""
    with pytest.raises(EndorsementsUnavailable):
        reverify(android, reference_values=EXPECTED, endorsements=ENDORSEMENTS)


def test_list_of_any_age_is_enforced(android: Claims) -> None:
    """Ten years old: what it knows is still true."""
    ancient = ENDORSEMENTS.with_android_status(StatusList({}, NOW - 315_360_000))
    assert reverify(android, reference_values=EXPECTED, endorsements=ancient) == android


def test_key_of_the_simulator_needs_its_switch(harmony: Claims) -> None:
    """The switch is turned off: keys that it let in stop renewing."""
    assert harmony.harmony is not None
    simulated = changed_claims(harmony, harmony=replace(harmony.harmony, simulator=True))
    assert reason(simulated, EXPECTED, ENDORSEMENTS) is Reason.ANCHOR_UNKNOWN
    switched_on = replace(ENDORSEMENTS, harmony_simulator=ENDORSEMENTS.harmony_anonymous[-1:])
    assert reverify(simulated, reference_values=EXPECTED, endorsements=switched_on) == simulated


def test_second_signer_that_is_withdrawn_is_noticed(android: Claims) -> None:
    """Every signer that the attestation named must still be listed, not just one of them."""
    assert android.android is not None
    two = changed_claims(
        android, android=replace(android.android, signing_digests=(*android.android.signing_digests, "00" * 32))
    )
    assert reason(two, EXPECTED, listing()) is Reason.SIGNER_MISMATCH
