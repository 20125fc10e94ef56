"""The fleet against a real local stack: every verdict is the expected one, and not because it cannot be otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from bonafide.cli.main import cli
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet import genuine
from devkit.fleet.run import SCENARIOS, make_scene, run_fleet

from .conftest import FleetStack

pytestmark = pytest.mark.stack


def test_every_verdict_of_the_fleet_is_the_expected_one(
    fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Genuine devices get in, hostile ones do not, each for its own reason; nothing is skipped. Told by
    ``bonafide demo --running --json``, which starts no second stack."""
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))
    told = CliRunner().invoke(cli, ["demo", "--running", "--json"])
    outcome = json.loads(told.stdout)
    assert [verdict for verdict in outcome["verdicts"] if not verdict["right"]] == []
    assert (told.exit_code, outcome["wrong"], outcome["skipped"]) == (0, 0, 0)
    assert len(outcome["verdicts"]) == len(SCENARIOS) > 50


def test_fleet_under_a_root_that_the_stack_does_not_trust_is_refused(fleet_stack: FleetStack) -> None:
    """The counter-test: the same genuine devices below another root get nowhere, and the fleet says so."""
    scene = make_scene(fleet_stack.deployment, DeviceAuthority.create())
    outcome = run_fleet(scene, genuine.SCENARIOS)
    assert outcome.wrong == len(genuine.SCENARIOS)
    assert not outcome.as_expected


def test_fleet_without_a_stack_is_wrong_and_does_not_crash(fleet_stack: FleetStack) -> None:
    """Nothing listens: every verdict is wrong, none is an exception."""
    scene = make_scene(fleet_stack.deployment, fleet_stack.authority)
    dead = replace(scene, client=replace(scene.client, verifier_url="http://127.0.0.1:9", patience=0.0))
    outcome = run_fleet(dead, genuine.SCENARIOS)
    assert outcome.wrong == len(genuine.SCENARIOS)
    assert all("No stack answers at http://127.0.0.1:9" in verdict.got[-1] for verdict in outcome.verdicts)
