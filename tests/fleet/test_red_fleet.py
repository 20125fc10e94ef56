"""The red fleet against a stack that runs: real requests, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bonafide.operator.admin_api import AdminApi
from devkit.fleet.live.incidents import wait_for_incident
from devkit.fleet.live.play import Played, play
from devkit.fleet.live.stage import stage_for
from devkit.fleet.population.scenarios import SCENARIOS

from .conftest import FleetStack

pytestmark = pytest.mark.stack

APP = "red-fleet"


def played(fleet_stack: FleetStack, name: str, requests: int) -> Played:
    stage = stage_for(name, fleet_stack.deployment, fleet_stack.layout, app=APP)
    return play(stage, name, 1, requests=requests, seconds=1.0)


def answers(run: Played, side: str) -> Mapping[str, int]:
    return {answer: times for (of, answer), times in run.answers.items() if of == side}


@pytest.mark.exhaustive
def test_copies_of_an_app_run_into_each_others_counters(fleet_stack: FleetStack) -> None:
    seen = answers(played(fleet_stack, "clones", 20), "hostile")

    assert seen["403 evidence-rejected"] > 0
    assert seen["200"] > 0


@pytest.mark.exhaustive
def test_a_broker_is_let_in_by_evidence_from_another_process(fleet_stack: FleetStack) -> None:
    run = played(fleet_stack, "broker-careful", 4)

    assert answers(run, "hostile")["201"] == len(run.hostile_keys) > 0


@pytest.mark.exhaustive
def test_a_release_that_was_not_registered_is_refused(fleet_stack: FleetStack) -> None:
    assert answers(played(fleet_stack, "botched-release", 4), "hostile") == {"403 evidence-rejected": 4}


def test_a_farm_is_named_within_a_minute(fleet_stack: FleetStack) -> None:
    """Through the whole stack: evidence, lines with sealed facts, detectors, incident, Admin API."""
    run = played(fleet_stack, "farm", 24)
    expected = SCENARIOS["farm"].expected
    incident = wait_for_incident(AdminApi(fleet_stack.deployment), APP, expected, since=run.began, seconds=60.0)

    assert incident is not None
    assert incident["detector"] == "key-farm"
    assert incident["counts"]["keys"] >= 5
    assert incident["remedy"]["rule"]
    assert set(incident["keys"]) <= run.hostile_keys


@pytest.mark.exhaustive
def test_a_vendors_outage_has_apps_told_to_try_later(fleet_stack: FleetStack) -> None:
    """And it is over when the scenario is."""
    run = played(fleet_stack, "vendor-outage", 3)
    stage = stage_for("vendor-outage", fleet_stack.deployment, fleet_stack.layout)

    assert set(answers(run, "hostile")) == {"503 try-later"}
    assert stage.outage is not None
    assert not stage.outage.exists()
