"""How a process decides by itself: all processes together stay at the pace, whatever share of the demand each meets."""

from __future__ import annotations

import random

import pytest
from service.admission.queue import HEADROOM, WINDOW, Seen, move_on
from service.admission.status import (
    BURST,
    LATEST,
    SOONEST,
    UNCOUNTED_PROCESSES,
    Admission,
    LocalShare,
    comes_back_after,
    later,
    unknown,
)

SECONDS = 60


def _settled(pace: float, demand: float, processes: int) -> Admission:
    """How things stand after some windows of a steady demand, whose refused apps do not come back."""
    queues = move_on({}, {"app": Seen(round(demand * WINDOW), 0, round(demand * WINDOW), processes)}, pace=pace)
    for _ in range(3):
        queues = move_on(queues, {"app": Seen(round(demand * WINDOW), 0, round(demand * WINDOW), processes)}, pace=pace)
    return queues["app"].status


def _admitted(status: Admission, demands: list[float], chance: random.Random) -> int:
    """How many of :data:`SECONDS` of demand all processes admit together, ``demands`` a second each."""
    admitted = 0
    for demand in demands:
        share, now = LocalShare(), 0.0
        while (now := now + chance.expovariate(demand)) < SECONDS:
            if comes_back_after(status, chance.random()) is None and share.take(status.share, now):
                admitted += 1
    return admitted


@pytest.mark.parametrize("seed", range(12))
def test_all_processes_together_stay_below_the_pace(seed: int) -> None:
    """Random demand, random processes, of which some meet many times what others do."""
    chance = random.Random(seed)
    pace, processes = chance.uniform(20, 200), chance.randint(1, 40)
    weights = [chance.uniform(0.1, 1.0) for _ in range(processes)]
    demand = pace * chance.uniform(0.2, 6.0)
    demands = [demand * weight / sum(weights) for weight in weights]
    status = _settled(pace, demand, processes)
    admitted = _admitted(status, demands, chance)
    assert admitted <= 1.05 * pace * SECONDS
    assert admitted >= 0.6 * min(demand, pace) * SECONDS, "and nearly as many as the pace allows"


@pytest.mark.parametrize("growth", [2, 5, 50])
def test_demand_that_grows_faster_than_it_is_counted_is_bounded_by_the_shares(growth: int) -> None:
    chance = random.Random(growth)
    status = _settled(50.0, 20.0, 10)
    assert status.admit == 1.0
    demands = [20.0 * growth / 10] * 10
    assert _admitted(status, demands, chance) <= HEADROOM * 50.0 * (SECONDS + BURST)


def test_what_is_unknown_admits_within_a_share_and_refuses_no_other() -> None:
    status = unknown(50.0)
    assert comes_back_after(status, 0.999) is None
    assert status.share * UNCOUNTED_PROCESSES == 50.0


def test_one_draw_decides_and_spreads_evenly() -> None:
    status = Admission(0.4, 100, 199, 1.0)
    draws = [index / 10_000 for index in range(10_000)]
    waits = [wait for draw in draws if (wait := comes_back_after(status, draw)) is not None]
    assert len(waits) == 6_000
    assert (min(waits), max(waits)) == (100, 199)
    assert abs(sum(waits) / len(waits) - 149.5) < 0.5


def test_waits_are_whole_seconds_that_clients_believe() -> None:
    for draw in (0.0, 0.5, 1.0 - 2**-53):
        assert SOONEST <= later(Admission(0.0, SOONEST, LATEST, 1.0), draw) <= LATEST


def test_a_share_below_one_a_second_admits_one_now_and_then() -> None:
    share = LocalShare()
    taken = [share.take(0.1, float(second)) for second in range(100)]
    assert taken[0]
    assert 9 <= sum(taken) <= 11


def test_a_clock_that_stands_still_or_goes_back_gives_nothing_away() -> None:
    share = LocalShare()
    assert sum(share.take(10.0, 5.0) for _ in range(1_000)) == 10.0 * BURST
    assert not share.take(10.0, 4.0)
