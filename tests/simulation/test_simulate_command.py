"""``bonafide simulate``: tables for people, JSON for scripts, a curve in a folder, and one sentence for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli
from devkit.simulation import scenarios
from devkit.simulation.scenarios import SCENARIOS, Scenario


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute of publication: the command, not the simulation, is what is tested."""
    kept = Scenario(about="", seconds=30.0, step=1.0, warm=10.0, publishes_at=5.0, installs=0.2, assumes="Said aloud.")
    monkeypatch.setattr(scenarios, "SCENARIOS", {**SCENARIOS, "now-publication": kept})


def run(*words: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli, ["simulate", *words])


def test_the_list_names_every_scenario() -> None:
    listed = run("--list", "--json")
    assert (listed.exit_code, set(json.loads(listed.stdout))) == (0, set(SCENARIOS))


def test_a_run_says_what_breaks_first_and_writes_its_curve(tmp_path: Path) -> None:
    played = run("now-publication", "--phones", "500", "--out", str(tmp_path / "made"), "--json")
    assert played.exit_code == 0, played.stderr
    found = json.loads(played.stdout)
    assert found["breaks_first"].startswith("nothing; nearest is")
    assert found["method"] == "events"
    assert found["dollars_a_day"]["renewals"] > 0
    assert "lambda_concurrency" in found["assumptions"]
    svg, csv = (tmp_path / "made" / f"now-publication-500.{end}" for end in ("svg", "csv"))
    assert svg.read_text("utf-8").startswith("<svg ")
    head, *lines = csv.read_text("utf-8").splitlines()
    assert head.startswith("seconds,")
    assert len(lines) == 30


def test_a_run_in_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    played = run("now-publication", "--phones", "500", "--raised")
    assert played.exit_code == 0
    for words in ("breaks first", "lost installs", "seconds until hostile keys are refused", "Said aloud."):
        assert words in played.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ordinary"], "There is no scenario 'ordinary'"),
        (["flood", "--phones", "99"], "--phones"),
        (["flood", "--raised", "--limits", "own.json"], "Name one"),
        (["flood", "--limits", "none.json"], "No such file"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(words: list[str], said: str) -> None:
    refused = run(*words)
    assert refused.exit_code in (1, 2)
    assert said in " ".join(refused.stderr.split()) or said in str(refused.exception)
