"""Drills in short: what a person or a rule takes back is refused within what is promised.

`make bench-revocation` does 20 of each."""

from __future__ import annotations

import pytest

from devkit.fleet.drills.drills import GUARANTEED, block_drill, not_before_drill, prepare, signal_drill
from devkit.fleet.run import make_scene

from .conftest import FleetStack

pytestmark = pytest.mark.stack


# `make bench-revocation` has all of them; the third takes as long as the others together.
@pytest.mark.usefixtures("calm_traffic")
@pytest.mark.parametrize(
    "drill",
    [block_drill, not_before_drill, pytest.param(signal_drill, marks=pytest.mark.exhaustive, id="signal_drill")],
)
def test_what_was_taken_back_is_refused_in_time(fleet_stack: FleetStack, drill: object) -> None:
    """From the command to the last acceptance, in every authorizer process that is asked."""
    prepare(fleet_stack.deployment)
    scene = make_scene(fleet_stack.deployment, fleet_stack.authority)
    (measured,) = drill(fleet_stack.deployment, scene, 1)  # type: ignore[operator]
    assert measured.first_refusal > 0
    assert measured.effect <= GUARANTEED
