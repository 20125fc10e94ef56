"""Adapters that revocation rests on: what the fake promises is what moto and ministack do."""

from __future__ import annotations

import pytest
from service.errors import Reason
from service.tables.attested_keys import KeyState

from tests.integration.enrolled_keys import bundle, challenge, enrolled_key, refusal, renewed
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import World


def test_key_blocked_after_it_was_read_does_not_renew(world: World) -> None:
    """An operator was faster than a request in flight."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    world.block(key.key_id)
    assert refusal(world, "renew", challenge(), renewed(key, 1)) is Reason.KEY_BLOCKED
    found = world.attested_keys.find(key.key_id)
    assert found is not None
    assert found.state is KeyState.BLOCKED


def test_block_with_an_end_ends_by_itself_and_leaves_no_trace(world: World) -> None:
    """To the second: at its end the key renews again, and the row is that of a key that never was blocked."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    world.block(key.key_id, until=key.last_seen + 60)
    early = renewed(key, 1, last_seen=key.last_seen + 59)
    assert refusal(world, "renew", challenge(), early) is Reason.KEY_BLOCKED
    found = world.attested_keys.find(key.key_id)
    assert found is not None
    assert (found.state, found.blocked_until) == (KeyState.BLOCKED, key.last_seen + 60)
    after = renewed(key, 1, last_seen=key.last_seen + 60)
    world.redemption.renew(challenge(), after)
    assert world.attested_keys.find(key.key_id) == after


@pytest.mark.parametrize("length", [299_999, 300_000, 300_001, 1_000_000])
def test_bundle_of_any_size_comes_back_whole(world: World, length: int) -> None:
    """A bundle with thousands of blocked keys is larger than one item may be."""
    text = "".join(f"{number:08x}" for number in range(length // 8 + 1))[:length]
    assert world.trust_bundles.add(bundle(1), "small")
    assert world.trust_bundles.add(bundle(2), text)
    assert not world.trust_bundles.add(bundle(2), "late")
    latest = world.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert (latest.version, latest.jws == text) == (2, True)
