"""Phones that were refused together do not come back together."""

from __future__ import annotations

import random

import pytest

from devkit.client_core.waits import FIRST, LONGEST, jitter
from tests.benchmarks.bench_storm import after_a_function, after_the_gateway, as_told, storm


def test_jitter_is_drawn_from_nothing_to_a_limit_that_grows() -> None:
    """Full jitter: every moment of the time is as likely, and the time triples up to an hour."""
    assert [jitter(n, lambda: 0.0) for n in (1, 2, 50)] == [0.0, 0.0, 0.0]
    assert [jitter(n, lambda: 1.0) for n in (1, 2, 3)] == [FIRST, 3 * FIRST, 9 * FIRST]
    assert jitter(10**6, lambda: 1.0) == LONGEST


def test_seven_hundred_phones_come_back_about_once() -> None:
    """A function serves twenty a second; by fixed waits each would come ten times."""
    ours = storm(700, rate=20, burst=20, wait=after_a_function)
    fixed = storm(700, rate=20, burst=20, wait=as_told)
    assert ours.attempts < 1.2 < 5 < fixed.attempts
    assert ours.seconds < 4 * 700 / 20


def test_a_million_at_the_default_throttle_come_back_a_few_times() -> None:
    """A hundredth of a million at a hundredth of the rate: attempts and seconds are the same. By fixed waits the model
    stops at 60 attempts a phone."""
    ours = storm(10_000, rate=4, burst=8, wait=after_the_gateway)
    fixed = storm(10_000, rate=4, burst=8, wait=as_told, most=60)
    assert ours.attempts < 6 < 50 < fixed.attempts
    assert ours.seconds < 4 * 10_000 / 4


@pytest.mark.parametrize("wait", [after_a_function, after_the_gateway])
def test_no_second_is_crowded_after_a_refusal(wait: object) -> None:
    """Of ten thousand phones that were refused in one second no later second sees a tenth."""
    chance = random.Random(3)
    seconds = [int(wait(1, chance)) for _ in range(10_000)]  # type: ignore[operator]
    assert max(seconds.count(second) for second in set(seconds)) < 1_000
