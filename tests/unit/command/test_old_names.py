"""Names of the release before still work: they do what the new ones do, and say these on standard error, once."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import typer
from typer.testing import Result

from bonafide.cli.main import cli
from bonafide.cli.old_names import OLD_COMMANDS, OLD_OPTIONS, current
from tests.architecture.source_tree import ROOT

Run = Callable[..., Result]

_TREE: Any = typer.main.get_command(cli)
_REASONED = [
    f"{group} {name}"
    for group in ("app", "device-key", "policy", "route", "signing-key", "token")
    for name, command in _TREE.commands[group].commands.items()
    if any("--reason" in param.opts for param in command.params)
]
_NOTICE = re.compile(r"`([^`]+)` is now `([^`]+)`\. The old name will go with the next release\.")


def _told(result: Result) -> list[tuple[str, ...]]:
    """Old and new names that standard error says."""
    return [match.groups() for match in _NOTICE.finditer(" ".join(result.stderr.split()))]


@pytest.mark.parametrize(("old", "new"), OLD_COMMANDS.items(), ids=lambda words: " ".join(words))
def test_old_command_is_the_new_one_and_says_so(bonafide: Run, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Help is that of the new command, and standard output has nothing else on it."""
    result, meant = bonafide(*old, "--help"), bonafide(*new, "--help")
    assert (result.exit_code, result.stdout) == (0, meant.stdout)
    assert _told(result) == [(" ".join(old), " ".join(new))]
    assert _told(meant) == []


def test_setting_not_before_is_revoking_tokens(bonafide: Run) -> None:
    """The flag made another command of it, wherever it stood."""
    for words in (["--now", "demo"], ["demo", "--now"]):
        assert current(["app", "not-before", *words])[0] == ["token", "revoke", "demo"]
    result = bonafide("--name", "two", "app", "not-before", "demo", "--now")
    assert _told(result) == [("app not-before --now", "token revoke")]
    assert (result.exit_code, "is not running" in result.stderr) == (1, True)


@pytest.mark.parametrize("command", _REASONED)
@pytest.mark.parametrize("spelled", [["--why", "seen"], ["--why=seen"]], ids=str)
def test_reason_may_be_called_why(bonafide: Run, command: str, spelled: list[str]) -> None:
    """Of every command that takes a reason: what follows is read as before."""
    result = bonafide(*command.split(), *spelled, "--no-such-option")
    assert _told(result) == [("--why", "--reason")]
    assert "--why" not in result.stderr.replace("`--why`", "")
    assert current([*command.split(), *spelled])[0] == [
        *command.split(),
        *(w.replace("why", "reason") for w in spelled),
    ]


def test_commands_that_take_a_reason_are_known() -> None:
    """So that the test above is about all of them."""
    assert len(_REASONED) == 10
    everywhere = [name for name, command in _TREE.commands.items() if not hasattr(command, "commands")]
    assert not any("--why" in param.opts for name in everywhere for param in _TREE.commands[name].params)


def test_no_old_name_is_read_after_the_end_of_options() -> None:
    """What follows ``--`` is a value."""
    assert current(["device-key", "show", "--", "--why"]) == (["device-key", "show", "--", "--why"], [])


def test_both_old_names_of_one_line_are_said(bonafide: Run) -> None:
    """One line each."""
    result = bonafide("key", "unblock", "K", "--why", "found")
    assert _told(result) == [("key", "device-key"), ("--why", "--reason")]


def test_json_stays_json(bonafide: Run) -> None:
    """A script that reads standard output notices nothing."""
    result = bonafide("policy", "starter", "--json")
    assert "lockdown" in json.loads(result.stdout)
    assert _told(result) == [("policy starter", "policy init")]


def test_help_shows_no_old_name(bonafide: Run) -> None:
    """Neither as a command nor as an option."""
    for path in ([], ["app"], ["policy"], ["route"], ["device-key"], ["policy", "publish"], ["device-key", "block"]):
        text = bonafide(*path, "--help").stdout
        names = {line.split()[0] for line in text.splitlines() if line.strip()}
        assert not names & {"api", "key", "keys", "not-before", "starter", "mode", *OLD_OPTIONS}, path


@pytest.mark.parametrize(
    ("old", "new"), [("story", "demo-outbreak"), ("drills", "bench-revocation"), ("flips", "test-exhaustive")]
)
def test_old_target_is_the_new_one_and_says_so(old: str, new: str) -> None:
    """`make` itself is asked what it would run, with the variables that the target takes."""
    runs, meant = (_dry_run(target, "RUNS=7", "REPETITIONS=7") for target in (old, new))
    assert f"'make {old}' is now 'make {new}'." in runs
    assert meant.splitlines()[-1] in runs.splitlines()
    assert (
        f"make {old} "
        not in subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    )


def _dry_run(*arguments: str) -> str:
    words = ["make", "--dry-run", "--no-print-directory", *arguments]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_table_of_the_docs_says_every_old_name_and_its_new_one() -> None:
    """docs/command.md, old → new."""
    page = (ROOT / "docs" / "command.md").read_text("utf-8").split("## Old names")[1]
    rows = dict(re.findall(r"^\| `([^`]+)`.* \| `([^`]+)`", page, re.MULTILINE))
    told = {
        "api mode": "route set",
        "api list": "route list",
        "app not-before APP": "token show APP",
        "app not-before APP --now": "token revoke APP",
        "key …": "device-key …",
        "keys …": "signing-key …",
        "policy starter": "policy init",
        "--why TEXT": "--reason TEXT",
        "make story": "make demo-outbreak",
        "make drills": "make bench-revocation",
        "make flips": "make test-exhaustive",
    }
    assert {old: rows.get(old) for old in told} == told
