"""Schedules: the same seed, the same faults; every kind early; those that stop everything apart from each other."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from bonafide.operator.errors import WrongUsage
from devkit.chaos.schedule import QUIET, Fault, Kind, schedule
from devkit.commands.chaos import kinds_of

HALF_AN_HOUR = 1800.0


@cache
def half_an_hour() -> tuple[Fault, ...]:
    """A long schedule."""
    return schedule(1, HALF_AN_HOUR)


def test_a_seed_is_a_schedule() -> None:
    """Twice the same, and another seed another one."""
    assert schedule(7, 120) == schedule(7, 120)
    assert schedule(7, 120) != schedule(8, 120)


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    """So that what broke early in a long run can be tried again quickly."""
    short, long = schedule(7, 60), schedule(7, 300)
    assert long[: len(short)] == short


@pytest.mark.parametrize("seed", range(5))
def test_a_short_run_has_every_kind(seed: int) -> None:
    """One of each at first."""
    assert {fault.kind for fault in schedule(seed, 35)} == set(Kind)


def test_half_an_hour_has_far_more_than_500_faults() -> None:
    """Not every one touches a call."""
    faults = half_an_hour()
    assert len(faults) > 1_000
    assert [fault.number for fault in faults] == sorted({fault.number for fault in faults})
    assert all(QUIET <= fault.at < HALF_AN_HOUR for fault in faults)


def test_what_stops_everything_is_apart() -> None:
    """Two gateways killed within seconds would leave nothing to break."""
    faults = half_an_hour()
    for kind, seconds in ((Kind.KILL_GATEWAY, 25), (Kind.STOP_AWS, 15), (Kind.BUNDLE, 40)):
        times = [fault.at for fault in faults if fault.kind is kind]
        assert len(times) > 3
        assert all(later - earlier >= seconds for earlier, later in pairwise(times))


def test_only_the_kinds_that_are_wanted() -> None:
    """``--faults``."""
    assert set(Counter(fault.kind for fault in schedule(1, 60, kinds_of("disk, clock")))) == {Kind.DISK, Kind.CLOCK}
    assert kinds_of("") == tuple(Kind)
    assert schedule(1, 60, ()) == ()


def test_an_unknown_kind_is_one_sentence() -> None:
    """It names those there are."""
    with pytest.raises(WrongUsage, match=r"no faults called fire: choose among throttle"):
        kinds_of("disk,fire")
