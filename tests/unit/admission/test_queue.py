"""Installs of a release, by the wire contract's clients: their queue stays below the pace, and none is lost."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from typing import NamedTuple

import pytest
from service.admission.queue import AHEAD, LONGEST, WINDOW, Queue, Seen, divided, move_on
from service.admission.status import Admission, LocalShare, comes_back_after, later, unknown

from devkit.client_core.waits import asked_seconds, jitter

PROCESSES = 4


class Outcome(NamedTuple):
    """Seconds from the first request to the admission of each install, and admissions a second in each window."""

    waits: list[float]
    rates: list[float]
    refusals: int


def after_a_release(
    installs: int, arrival: Callable[[random.Random], float], pace: float, *, strangers: float = 0.0, seed: int = 1
) -> Outcome:
    """``strangers`` a second ask as well, for an hour, and never enrol."""
    chance = random.Random(seed)
    events = [(arrival(chance), number, 0) for number in range(installs)]
    events += [(chance.random() * 3600, -1, 0) for _ in range(int(strangers * 3600))]
    began = {number: at for at, number, _ in events}
    heapq.heapify(events)
    shares = [LocalShare() for _ in range(PROCESSES)]
    queues: dict[str, Queue] = {}
    counted, status, ends = [], unknown(pace), WINDOW
    asked = refused = enrolled = most = 0
    waits, rates = [], []
    while events:
        at, number, refusals = heapq.heappop(events)
        while at >= ends:
            counted.append(Seen(asked, refused, enrolled, PROCESSES))
            rates.append(enrolled / WINDOW)
            asked, refused, enrolled, ends = 0, 0, 0, ends + WINDOW
            if len(counted) >= AHEAD:
                queues = move_on(queues, {"app": counted[-AHEAD]}, pace=pace)
                status = queues["app"].status if "app" in queues else unknown(pace)
        asked += 1
        wait = comes_back_after(status, chance.random())
        if wait is None and not chance.choice(shares).take(status.share, at):
            wait = later(status, chance.random())
        if wait is None:
            if number >= 0:
                enrolled += 1
                waits.append(at - began[number])
        else:
            refused += 1
            if number >= 0:
                back = at + asked_seconds(str(wait)) + jitter(refusals + 1, chance.random)
                heapq.heappush(events, (back, number, refusals + 1))
                most = max(most, refusals + 1)
    assert len(waits) == installs
    return Outcome(waits, rates, most)


def of_a_release(chance: random.Random) -> float:
    """Three times as many in the first minutes as on the average of the hour, then ever fewer."""
    return min(3599.0, -1200 * math.log(1 - chance.random() * (1 - math.exp(-3))))


def of_an_evening(chance: random.Random) -> float:
    return chance.triangular(0, 3600, 600)


@pytest.mark.parametrize("arrival", [of_a_release, of_an_evening])
def test_a_release_stays_below_the_pace_and_loses_no_install(arrival: Callable[[random.Random], float]) -> None:
    """A fiftieth of a million installs in an hour: 1.44 times their average is the pace, in the beginning not half of
    the demand."""
    outcome = after_a_release(20_000, arrival, 8.0)
    assert max(outcome.waits) <= 3600, "lost installs"
    minutes = [sum(outcome.rates[start : start + 6]) / 6 for start in range(0, len(outcome.rates), 6)]
    assert max(minutes) <= 8.0 * 1.1, "a fiftieth of the installs has seven times the noise"
    assert sorted(outcome.waits)[10_000] == 0, "every other install does not wait at all"


def test_strangers_who_never_enrol_do_not_keep_installs_waiting() -> None:
    """Twice as many strangers as the pace: what they ask for is no demand for enrolments."""
    outcome = after_a_release(5_000, of_an_evening, 2.0, strangers=4.0)
    assert max(outcome.waits) <= 3600


def test_none_is_refused_below_the_pace() -> None:
    outcome = after_a_release(3_000, lambda chance: chance.random() * 3600, 4.0)
    assert outcome.refusals <= 1
    assert sorted(outcome.waits)[2_950] == 0


def test_a_flat_demand_beyond_the_pace_admits_as_many_as_the_pace() -> None:
    """Nothing can admit them all within the hour: but the pace is used, and held."""
    queues: dict[str, Queue] = {}
    chance, status = random.Random(3), unknown(10.0)
    admitted = []
    for _ in range(60):
        refused = sum(comes_back_after(status, chance.random()) is not None for _ in range(300))
        admitted.append(300 - refused)
        queues = move_on(queues, {"app": Seen(300, refused, 300 - refused, 4)}, pace=10.0)
        status = queues["app"].status
    assert 60 <= sum(admitted[10:]) / 50 <= 100


def test_what_is_told_fits_into_the_hour() -> None:
    """Also where there is no free second at all."""
    queues: dict[str, Queue] = {}
    for _ in range(200):
        queues = move_on(queues, {"app": Seen(100_000, 99_000, 1_000, 10)}, pace=100.0)
        status = queues["app"].status
        assert 0 <= status.admit <= 1
        assert 0 < status.soonest <= status.latest <= LONGEST + WINDOW


def test_an_app_that_is_not_asked_for_is_forgotten() -> None:
    queues = move_on({}, {"app": Seen(50, 10, 40, 2)}, pace=1.0)
    for _ in range(600):
        queues = move_on(queues, {}, pace=1.0)
    assert not queues


def test_refused_who_never_come_back_hold_no_seconds() -> None:
    """A flood that ends: when the first of it do not come, the others are not waited for."""
    queues: dict[str, Queue] = {}
    for _ in range(30):
        queues = move_on(queues, {"app": Seen(5_000, 4_000, 100, 4)}, pace=10.0)
    assert queues["app"].waiting > 1_000
    held = 0
    for _ in range(300):
        queues = move_on(queues, {"app": Seen(50, 0, 50, 4)}, pace=10.0)
        held += queues["app"].status.admit < 0.9
    assert held < 30
    assert queues["app"].waiting == 0


def test_the_pace_is_divided_by_what_apps_want() -> None:
    assert divided(100.0, [10.0, 500.0, 500.0]) == [10.0, 45.0, 45.0]
    assert divided(100.0, [10.0, 20.0]) == [45.0, 55.0]
    assert divided(100.0, []) == []
    assert sum(divided(100.0, [0.0, 0.0, 3.0])) == pytest.approx(100.0)


def test_one_app_s_release_leaves_another_its_installs() -> None:
    queues: dict[str, Queue] = {}
    for _ in range(20):
        seen = {"shop": Seen(5_000, 4_000, 900, 4), "bank": Seen(100, 0, 90, 4)}
        queues = move_on(queues, seen, pace=100.0)
    assert queues["bank"].status.admit == 1.0
    assert queues["shop"].status.admit < 0.5


def test_an_account_is_a_value() -> None:
    """The account before is not changed: a controller that was overtaken throws its own away."""
    before = move_on({}, {"app": Seen(500, 0, 400, 2)}, pace=10.0)
    copy = dict(before)
    move_on(before, {"app": Seen(900, 600, 300, 2)}, pace=10.0)
    assert before == copy
    assert isinstance(before["app"].status, Admission)
