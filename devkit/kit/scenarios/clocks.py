"""Clocks that are wrong."""

from __future__ import annotations

from typing import Final

from devkit.kit.mock.exchange import Route
from devkit.kit.rules import Rule
from devkit.kit.scenario import Scenarios
from devkit.kit.stage import Stage

scenario: Final = Scenarios()
HOUR, YEAR = 3600.0, 365 * 86_400.0


@scenario("clock-hour-ahead", "the phone's clock is an hour ahead", Rule.CLOCK, Rule.ANSWERED, clock_offset=HOUR)
def _ahead(stage: Stage) -> None:
    for _ in range(8):
        stage.served()
        stage.advance(60)


@scenario("clock-hour-behind", "the phone's clock is an hour behind", Rule.CLOCK, Rule.ANSWERED, clock_offset=-HOUR)
def _behind(stage: Stage) -> None:
    stage.world.publish(1, {"kill_switches": {"payments": True}})
    said = stage.policy_is(1, Rule.POLICY_TAKEN)
    stage.expect(said.get("features_off") == ["payments"], Rule.POLICY_TAKEN, "The policy is not enforced.")
    for _ in range(8):
        stage.served()
        stage.advance(60)


@scenario("clock-year-ahead", "the phone's clock is a year ahead: the user must set it", Rule.CLOCK, clock_offset=YEAR)
def _year(stage: Stage) -> None:
    stage.judge.beacons.add("clock-wrong")
    stage.shows(stage.request(), "clock", "set-clock", "user")
    stage.expect(stage.count(Route.GUARDED) == 0, Rule.CLOCK, "A proof was made by a clock that is a year off.")
    stage.expect(stage.count(Route.FAILURE) <= 1, Rule.BEACON, "The wrong clock was reported more than once.")
