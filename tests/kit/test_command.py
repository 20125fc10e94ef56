"""``bonafide kit``: what a person reads, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from devkit.commands.kit import commands
from devkit.kit.catalogue import SCENARIOS

pytestmark = pytest.mark.enable_socket
_LIAR = 'import sys\nfor _ in sys.stdin: print(\'{"answers": [{"status": 200}]}\', flush=True)'


def _run(*arguments: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(commands, arguments, input=typed)
    return result.exit_code, result.output


def test_scenarios_are_listed() -> None:
    code, output = _run("scenarios", "--json")
    assert code == 0
    assert list(json.loads(output)) == list(SCENARIOS)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("run", "--scenario", "no-such-day", "--", "true"), "no-such-day"),
        (("run", "--platform", "windows", "--", "true"), "windows"),
        (("serve", "--scenario", "no-such-day"), "no-such-day"),
    ],
)
def test_wrong_name_is_a_usage_error(arguments: tuple[str, ...], why: str) -> None:
    code, output = _run(*arguments)
    assert code == 2
    assert why in output


def test_client_that_breaks_a_rule_ends_with_1() -> None:
    """The findings are in the JSON, each with its rule."""
    code, output = _run("run", "--scenario", "restart", "--json", "--", sys.executable, "-I", "-S", "-c", _LIAR)
    assert code == 1
    (result,) = json.loads(output[output.index("{") :])["results"]
    assert (result["scenario"], result["passed"]) == ("restart", False)
    assert {finding["rule"] for finding in result["findings"]} >= {"answered"}


def test_person_is_told_what_to_do(tmp_path: Path) -> None:
    """Each command is a sentence; a person who only says ok has sent nothing, and the kit says so."""
    config = tmp_path / "client.json"
    code, output = _run("serve", "--scenario", "restart", "--config", str(config), typed="ok\n" * 20)
    assert code == 1
    assert "Start the app again." in output
    assert "no such request came" in output
    assert json.loads(config.read_text("utf-8"))["app"] == "demo"


def test_person_may_end_early(tmp_path: Path) -> None:
    code, output = _run("serve", "--scenario", "storm", "--config", str(tmp_path / "c.json"), typed="end\n")
    assert code == 1
    assert "The person ended the scenario." in output
