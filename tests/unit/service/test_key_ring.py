"""The key ring: the right key at the right time, and no single outage that stops everything."""

from __future__ import annotations

import pytest
from service.errors import Unavailable
from service.keys.key_ring import FRESH, PATIENCE, REREAD, KeyRing
from service.keys.rotation import ANNOUNCEMENT
from service.tables.signing_keys import Purpose

from tests.service_stack.memory_stack import LIFETIME, NOW, MemoryStack

LATER = NOW + 31 * 86_400


def ring_of(stack: MemoryStack, *purposes: Purpose) -> KeyRing:
    return KeyRing(stack.signing_keys, stack.wrapping, frozenset(purposes or Purpose))


def test_ring_reads_nothing_until_it_is_asked(stack: MemoryStack) -> None:
    """No unwrapped key may be part of a SnapStart snapshot."""
    reads, unwraps = stack.signing_keys.calls, stack.wrapping.calls
    ring = ring_of(stack)
    assert (stack.signing_keys.calls, stack.wrapping.calls) == (reads, unwraps)
    assert ring.token_key(NOW, lifetime=LIFETIME).kid == "token-1"


def test_keys_stay_in_memory_between_two_reads(stack: MemoryStack) -> None:
    """Neither the table nor KMS is asked again for a while: a token costs microseconds."""
    ring = ring_of(stack)
    ring.sealing_key(NOW)
    reads, unwraps = stack.signing_keys.calls, stack.wrapping.calls
    for second in range(int(FRESH)):
        ring.sealing_key(NOW + second)
        ring.token_key(NOW + second, lifetime=LIFETIME)
    assert (stack.signing_keys.calls, stack.wrapping.calls) == (reads, unwraps)


def test_reading_again_unwraps_only_new_keys(stack: MemoryStack) -> None:
    """A key is unwrapped once per process."""
    ring = ring_of(stack)
    ring.sealing_key(NOW)
    unwraps = stack.wrapping.calls
    ring.sealing_key(NOW + REREAD + 1)
    assert stack.wrapping.calls == unwraps


def test_ring_unwraps_only_the_purposes_it_has(stack: MemoryStack) -> None:
    """issue_challenge never holds a token key."""
    ring = ring_of(stack, Purpose.CHALLENGE)
    ring.sealing_key(NOW)
    with pytest.raises(Unavailable):
        ring.token_key(NOW, lifetime=LIFETIME)


def test_rereading_is_faster_than_announcing() -> None:
    """Every process knows a new key before anyone may use it."""
    assert REREAD + PATIENCE < ANNOUNCEMENT


def test_new_keys_are_used_only_after_their_announcement(stack: MemoryStack) -> None:
    """Between announcing and activating, the old keys go on."""
    stack.rotation.run(now=LATER)
    ring = ring_of(stack)
    for moment, number in ((LATER, 1), (LATER + ANNOUNCEMENT - 1, 1), (LATER + ANNOUNCEMENT, 2)):
        assert ring.token_key(moment, lifetime=LIFETIME).kid == f"token-{number}"
        assert ring.sealing_key(moment) == stack.wrapping.unwrap(
            f"challenge-{number}", stack.signing_keys.rows[f"challenge-{number}"].wrapped
        )


def test_challenges_of_the_previous_key_open_until_they_expire(stack: MemoryStack) -> None:
    """Rotation costs no app its challenge."""
    old = ring_of(stack).sealing_key(NOW)
    stack.rotation.run(now=LATER)
    last_sealed = LATER + ANNOUNCEMENT
    assert old in ring_of(stack).opening_keys(last_sealed + LIFETIME)
    assert old not in ring_of(stack).opening_keys(last_sealed + LIFETIME + 61)


def test_key_that_retires_between_two_reads_opens_nothing(stack: MemoryStack) -> None:
    """The date decides, not the next look at the table."""
    stack.rotation.run(now=LATER)
    retired_at = stack.signing_keys.rows["challenge-1"].retired_at
    assert retired_at is not None
    ring = ring_of(stack)
    assert len(ring.opening_keys(retired_at - 1)) == 2
    assert len(ring.opening_keys(retired_at)) == 1


def test_sealing_key_that_is_announced_already_opens(stack: MemoryStack) -> None:
    """A host whose clock runs ahead seals with the next key a little early."""
    stack.rotation.run(now=LATER)
    assert len(ring_of(stack).opening_keys(LATER)) == 2


def test_key_that_dies_before_the_token_does_not_sign_it(stack: MemoryStack) -> None:
    """A token must not outlive its key in the trust bundle."""
    stack.rotation.run(now=LATER)
    stack.signing_keys.rows.pop("token-2")
    retired_at = stack.signing_keys.rows["token-1"].retired_at
    assert retired_at is not None
    ring = ring_of(stack)
    assert ring.token_key(retired_at - LIFETIME, lifetime=LIFETIME)
    with pytest.raises(Unavailable):
        ring.token_key(retired_at - LIFETIME + 1, lifetime=LIFETIME)


def test_table_down_after_the_first_read_changes_nothing(stack: MemoryStack) -> None:
    """Keys in memory go on serving."""
    ring = ring_of(stack)
    key = ring.sealing_key(NOW)
    stack.signing_keys.down = True
    assert ring.sealing_key(NOW + REREAD + 1) == key
    assert ring.token_key(NOW + 3600, lifetime=LIFETIME).kid == "token-1"


@pytest.mark.parametrize("part", ["signing_keys", "wrapping"])
def test_outage_at_a_cold_start_is_unavailable_and_heals(stack: MemoryStack, part: str) -> None:
    """Without a key nothing is issued; once the service is back, so are we, within seconds."""
    ring = ring_of(stack)
    switch = getattr(stack, part)
    switch.down = True
    for method in (lambda now: ring.token_key(now, lifetime=LIFETIME), ring.sealing_key, ring.opening_keys):
        with pytest.raises(Unavailable):
            method(NOW)
    switch.down = False
    assert ring.token_key(NOW + PATIENCE + 1, lifetime=LIFETIME).kid == "token-1"


def test_outage_costs_one_failed_call_per_patience(stack: MemoryStack) -> None:
    """Waiting out a timeout per request would turn an outage into a pile-up."""
    ring = ring_of(stack)
    stack.wrapping.down = True
    unwraps = stack.wrapping.calls
    for hundredth in range(100):
        with pytest.raises(Unavailable):
            ring.sealing_key(NOW + hundredth / 100)
    assert stack.wrapping.calls == unwraps + 1


def test_kms_down_during_a_rotation_leaves_the_old_keys_in_use(stack: MemoryStack) -> None:
    """The new key cannot be unwrapped yet; the old one still signs and is still in the bundle."""
    ring = ring_of(stack)
    ring.token_key(LATER - 1, lifetime=LIFETIME)
    stack.rotation.run(now=LATER)
    stack.wrapping.down = True
    moment = LATER + ANNOUNCEMENT + 1
    assert ring.token_key(moment, lifetime=LIFETIME).kid == "token-1"
    stack.wrapping.down = False
    assert ring.token_key(moment + PATIENCE + 1, lifetime=LIFETIME).kid == "token-2"


def test_row_of_another_kid_cannot_be_unwrapped(stack: MemoryStack) -> None:
    """The attack: a row copied over another; the encryption context binds the kid."""
    rows = stack.signing_keys.rows
    wrapped = rows["challenge-1"].wrapped
    with pytest.raises(Unavailable):
        stack.wrapping.unwrap("token-1", wrapped)


def test_empty_table_is_looked_at_again_soon(stack: MemoryStack) -> None:
    """A stack may be called before its first key exists."""
    rows, stack.signing_keys.rows = stack.signing_keys.rows, {}
    ring = ring_of(stack)
    with pytest.raises(Unavailable):
        ring.sealing_key(NOW)
    stack.signing_keys.rows = rows
    assert ring.sealing_key(NOW + PATIENCE + 1)


def test_ring_shows_no_secret_in_its_repr(stack: MemoryStack) -> None:
    """A ring in a log line or a debugger must not leak keys."""
    ring = ring_of(stack)
    secret = ring.sealing_key(NOW)
    assert repr(secret) not in repr(ring)
