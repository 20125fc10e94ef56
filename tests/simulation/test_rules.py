"""What phones do as arrays is what the client library does, one phone at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.client_core.challenges import HeldChallenge
from devkit.client_core.token_life import token_life
from devkit.client_core.waits import most_jitter, wait_bounds
from devkit.simulation.phones.clients import (
    LEVELS,
    challenge_is_usable,
    challenge_share,
    life_of,
    renewal_moments,
    usable_seconds,
    waits,
)
from devkit.simulation.region.stack import Wait

SHARES = st.floats(0, 1)
EXAMPLES = settings(max_examples=40, deadline=None)


@EXAMPLES
@given(st.integers(0, 999_999), st.integers(1, 20), SHARES)
def test_a_wait_is_within_the_bounds_of_the_client(asked: int, refusals: int, drawn: float) -> None:
    """Both ends of the client's own bounds are reached, and nothing beyond them."""
    least, most = wait_bounds(str(asked), refusals)
    found = waits(Wait(asked, asked), np.array([refusals]), np.array([0.5]), np.array([drawn]))[0]
    assert found == pytest.approx(least + drawn * (most - least))


def test_refusals_beyond_the_last_level_change_nothing() -> None:
    assert most_jitter(LEVELS) == most_jitter(LEVELS + 5)
    assert most_jitter(LEVELS - 1) < most_jitter(LEVELS)


@EXAMPLES
@given(st.integers(1, 200_000), SHARES, st.none() | st.integers(1, 100_000))
def test_a_renewal_is_due_when_the_client_draws_it(seconds: int, drawn: float, renew_after: int | None) -> None:
    answer: dict[str, object] = {"token": "t", "expires_in": seconds}
    if renew_after is not None:
        answer["renew_after"] = renew_after
    life, ours = token_life(answer), life_of(seconds, renew_after)
    moment = renewal_moments(ours, np.array([drawn]))[0]
    assert moment == pytest.approx(life.renew_from + drawn * (life.renew_until - life.renew_from))
    assert usable_seconds(ours) == life.requests_wait_from


@EXAMPLES
@given(st.floats(0, 1_000))
def test_a_challenge_is_used_as_long_as_the_client_uses_it(age: float) -> None:
    assert challenge_is_usable(np.array([age]))[0] == HeldChallenge("c", 0.0).usable(age)


@pytest.mark.parametrize(("seconds", "share"), [(300, 1.0), (320, 0.5), (900, 0.0)])
def test_the_share_of_renewals_with_a_challenge_at_hand(seconds: int, share: float) -> None:
    """As many as of renewals that are drawn one by one."""
    life = life_of(seconds)
    moments = renewal_moments(life, np.linspace(0, 1, 10_001))
    assert challenge_share(life) == pytest.approx(challenge_is_usable(moments).mean(), abs=0.01)
    assert challenge_share(life) == pytest.approx(share, abs=0.01)
