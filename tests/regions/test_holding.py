"""Where a change holds: each region is watched, asked to publish, and given up in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bonafide.operator.errors import OperatorError
from bonafide.regions.holding import PATIENCE, Holding, Sought, watched

Claims = Mapping[str, Any]


@dataclass
class Clock:
    now: float = 50.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Region:
    """One that serves `before` until `at` by the clock, and `after` from then on; asked to publish, at once."""

    clock: Clock
    before: tuple[int, Claims]
    after: tuple[int, Claims]
    at: float
    refusing: str = ""
    asked: list[float] = field(default_factory=list)

    def policy_version(self) -> int:
        if self.refusing:
            raise OperatorError(self.refusing)
        return self._now()[0]

    def bundle(self) -> Claims:
        return self._now()[1]

    def publish(self) -> None:
        self.asked.append(self.clock.now)
        if self.refusing:
            raise OperatorError(self.refusing)

    def _now(self) -> tuple[int, Claims]:
        return self.after if self.clock.now >= self.at else self.before


def bundle(version: int, not_before: float = 0.0, *blocked: str) -> Claims:
    """As they are signed: a not-before is a number with a fraction."""
    return {"version": version, "apps": {"demo": {"tokens_not_before": not_before, "blocked_keys": list(blocked)}}}


def watch(clock: Clock, sought: Sought, **regions: Region) -> dict[str, Holding]:
    return {one.region: one for one in watched(regions, sought, since=50.0, clock=clock, sleep=clock.sleep)}


def test_it_waits_for_the_policy_and_its_not_before_in_every_region() -> None:
    clock = Clock()
    here = Region(clock, (4, bundle(7, 100.0)), (4, bundle(7, 100.0)), at=0)
    there = Region(clock, (4, bundle(2, 90.0)), (4, bundle(3, 100.0)), at=58)
    found = watch(clock, Sought(app="demo", policy_version=4, not_before=100), here=here, there=there)
    assert found["here"] == Holding(region="here", policy_version=4, bundle_version=7, seconds=0.0)
    assert found["there"] == Holding(region="there", policy_version=4, bundle_version=3, seconds=8.0)
    assert here.asked == []
    assert there.asked == [50, 55]


def test_a_policy_for_the_next_renewal_asks_no_region_to_publish() -> None:
    clock = Clock()
    there = Region(clock, (3, bundle(2)), (4, bundle(2)), at=52)
    found = watch(clock, Sought(app="demo", policy_version=4), there=there)
    assert found["there"].seconds == 2.0
    assert there.asked == []


@pytest.mark.parametrize(("blocked", "before", "after"), [(True, (), ("key",)), (False, ("key",), ())])
def test_a_block_holds_when_the_bundle_says_so(blocked: bool, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    clock = Clock()
    there = Region(clock, (0, bundle(2, 0, *before)), (0, bundle(3, 0, *after)), at=53)
    found = watch(clock, Sought(app="demo", key_id="key", blocked=blocked), there=there)
    assert found["there"] == Holding(region="there", policy_version=None, bundle_version=3, seconds=3.0)


def test_a_region_that_never_serves_it_is_given_up() -> None:
    clock = Clock()
    there = Region(clock, (3, bundle(2)), (3, bundle(2)), at=0, refusing="IAM does not allow this.")
    found = watch(clock, Sought(app="demo", policy_version=4, not_before=5), there=there)
    assert found["there"] == Holding(
        region="there", policy_version=None, bundle_version=2, seconds=None, note="IAM does not allow this."
    )
    assert clock.now == 50 + PATIENCE


@pytest.mark.parametrize("claims", [{}, {"apps": 7}, {"apps": {"demo": 7}}, {"apps": {"demo": {}}}, bundle(1, 4)])
def test_a_bundle_that_says_nothing_of_it_does_not_hold(claims: Claims) -> None:
    assert not Sought(app="demo", not_before=5).held_by(None, claims)
    assert not Sought(app="demo", key_id="key").held_by(None, claims)
