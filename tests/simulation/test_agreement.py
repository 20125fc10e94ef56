"""Phones one by one and cohorts say the same, also where a stack turns most of them away."""

from __future__ import annotations

from dataclasses import replace

from devkit.simulation.models import model
from devkit.simulation.region.limits import Throttle
from devkit.simulation.run import simulate
from devkit.simulation.scenarios import SCENARIOS
from tests.simulation.agreement import TEMPLATE, compared

MODEL = model(TEMPLATE)
SMALL = replace(SCENARIOS["now-publication"], seconds=320.0, step=2.0, warm=240.0, publishes_at=80.0)


def test_events_and_cohorts_agree_in_small() -> None:
    """A publication whose renewals are four times what the throttle takes, with installs beside it."""
    throttles = {**MODEL.limits.throttles, "renewals": Throttle(60.0, 60.0), "policies": Throttle(20.0, 20.0)}
    bounded = replace(MODEL, limits=replace(MODEL.limits, throttles=throttles))
    figures, events, cohorts = compared("small", replace(SMALL, installs=0.2), 30_000, bounded)
    differing = {one.name: one for one in figures if one.difference > 0.05}
    assert not differing
    refusals = events.recorder.refusals
    assert refusals > 2_000  # the throttle was passed, or this says nothing
    assert abs(refusals - cohorts.recorder.refusals) < 0.05 * refusals


def test_the_same_seed_gives_the_same_run() -> None:
    short = replace(SMALL, seconds=40.0, warm=40.0)
    first, again, other = (simulate("short", short, 2_000, MODEL, seed=seed, as_cohorts=False) for seed in (1, 1, 2))
    assert first.routes() == again.routes() != other.routes()
