"""The operator's commands against a running stack."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from bonafide.cli import cli

from .conftest import FleetStack

pytestmark = pytest.mark.stack


@pytest.fixture
def run_folder(fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))


def _json(*arguments: str) -> object:
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("run_folder")
def test_app_is_registered_shown_and_listed() -> None:
    """register, show and list agree, and registering again updates."""
    command = ("app", "register", "shop", "--apple-app-id", "TEAMID1234.org.example.shop")
    first = _json(*command)
    again = _json(*command, "--environment", "development", "--audience", "orders-api")
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert again["created_at"] == first["created_at"]
    assert again["apple_environments"] == ["development"]
    assert _json("app", "show", "shop") == again
    listed = _json("app", "list")
    assert isinstance(listed, list)
    assert again in listed


@pytest.mark.usefixtures("run_folder")
def test_rotation_announces_new_keys_and_shows_no_secret() -> None:
    """rotate makes one key of each purpose, not active at once; list shows names and times only."""
    before = _json("keys", "list")
    answer = _json("keys", "rotate")
    after = _json("keys", "list")
    assert isinstance(before, list)
    assert isinstance(after, list)
    assert isinstance(answer, dict)
    assert len(after) == len(before) + 2
    assert all(set(key) == {"kid", "purpose", "created_at", "active_from", "retired_at"} for key in after)
    new = [key for key in after if key["kid"] not in {old["kid"] for old in before}]
    assert all(key["active_from"] > key["created_at"] for key in new)
    assert set(answer["Kids"]) == {key["kid"] for key in after if key["purpose"] == "token"}


@pytest.mark.usefixtures("run_folder")
def test_demo_against_the_running_stack_is_green_and_machine_readable() -> None:
    """`demo --running --json`: the fleet once more, without starting a second stack."""
    record = _json("demo", "--running")
    assert isinstance(record, dict)
    assert record["wrong"] == 0
    assert len(record["verdicts"]) > 50
