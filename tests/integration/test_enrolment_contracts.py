"""Enrolling a key once: which request may be answered again, held against fakes, moto and ministack alike."""

from __future__ import annotations

from dataclasses import replace

from attestation.appraisal.signal_history import SignalHistory
from attestation.challenge import OpenedChallenge
from service.errors import Reason as ServiceReason
from service.tables.attested_keys import EnrolledKey, Enrolment

from tests.integration.enrolled_keys import challenge, enrolled_key, refusal, renewed
from tests.service_stack.worlds import World


def asked(opened: OpenedChallenge, key: EnrolledKey, digest: bytes = bytes(32)) -> EnrolledKey:
    """``key`` as a request with that digest would enrol it."""
    return replace(key, enrolment=Enrolment(opened.nonce, digest))


def test_request_that_enrolled_a_key_is_known_again_until_the_key_renews(world: World) -> None:
    """Its answer was lost; after a renewal it was not. A changed request, or one with another challenge, is another."""
    opened, key = challenge(), enrolled_key()
    first = asked(opened, key)
    assert world.redemption.enrol(opened, first)
    assert not world.redemption.enrol(opened, first)
    assert world.attested_keys.find(key.key_id) == first
    other = challenge()
    for changed in (asked(opened, key, b"1" * 32), key, replace(first, app="shop")):
        assert refusal(world, "enrol", opened, changed) is ServiceReason.KEY_ALREADY_ENROLLED
    assert refusal(world, "enrol", other, asked(other, key)) is ServiceReason.KEY_ALREADY_ENROLLED
    world.redemption.renew(challenge(), renewed(first, 1))
    assert refusal(world, "enrol", opened, first) is ServiceReason.KEY_ALREADY_ENROLLED


def test_request_that_enrolled_a_key_gets_nothing_after_a_note(world: World) -> None:
    """The attack: keep the first request, and send it again for a token that a renewal would be denied."""
    opened = challenge()
    key = asked(opened, enrolled_key())
    world.redemption.enrol(opened, key)
    assert world.attested_keys.note(key, SignalHistory(at=key.last_seen, signals={"hooking": key.last_seen}))
    assert refusal(world, "enrol", opened, key) is ServiceReason.KEY_ALREADY_ENROLLED


def test_blocked_key_is_blocked_whatever_request_names_it(world: World) -> None:
    """Never a token, and never the word to renew."""
    opened = challenge()
    key = asked(opened, enrolled_key())
    world.redemption.enrol(opened, key)
    world.block(key.key_id)
    assert refusal(world, "enrol", opened, key) is ServiceReason.KEY_BLOCKED
    assert refusal(world, "enrol", challenge(), key) is ServiceReason.KEY_BLOCKED


def test_block_that_has_ended_is_none(world: World) -> None:
    """To the second."""
    opened = challenge()
    key = asked(opened, enrolled_key())
    world.redemption.enrol(opened, key)
    world.block(key.key_id, until=key.enrolled_at + 60)
    assert refusal(world, "enrol", opened, replace(key, enrolled_at=key.enrolled_at + 59)) is ServiceReason.KEY_BLOCKED
    assert not world.redemption.enrol(opened, replace(key, enrolled_at=key.enrolled_at + 60))


def test_key_that_expired_enrols_again_whether_its_row_was_deleted_or_not(world: World) -> None:
    """The failure: attesting is answered with "renew", and renewing with "attest"."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    early = replace(key, enrolled_at=key.expires_at - 1)
    assert refusal(world, "enrol", challenge(), early) is ServiceReason.KEY_ALREADY_ENROLLED
    later = replace(key, enrolled_at=key.expires_at, last_seen=key.expires_at, expires_at=key.expires_at + 90)
    assert world.redemption.enrol(challenge(), later)
    assert world.attested_keys.find(key.key_id) == later


def test_blocked_key_does_not_enrol_again_when_it_has_expired(world: World) -> None:
    """The attack: wait until a block for good is forgotten."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    world.block(key.key_id)
    later = replace(key, enrolled_at=key.expires_at, last_seen=key.expires_at, expires_at=key.expires_at + 90)
    assert refusal(world, "enrol", challenge(), later) is ServiceReason.KEY_BLOCKED
