"""Help that says everything, and which stack is meant: a deployed one, or one of several local ones."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from bonafide.cli.main import cli
from bonafide.operator.layout import Layout, LocalStackError, Ports
from devkit.stack.stack import LocalStack

Run = Callable[..., Result]


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that name it."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(cli)))
WITH_REGION = [path for path, command in COMMANDS.items() if any(p.name == "region" for p in command.params)]
ARGUMENTS = {
    "audit": ["--app", "x"],
    "device-key list": ["--blocked"],
    "fleet": ["farm"],
    "pass mint": ["--app", "x", "--request-key", "-", "--platform", "ios"],
    "device-key unblock": ["K"],
    "why": ["7K2M9QXA"],
    "app register": ["x", "--play-expected"],
    "route set": ["x", "GET /", "token"],
}


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_help_cuts_no_sentence(bonafide: Run, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Neither of a command nor of those below it, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    assert len(COMMANDS) > 40
    for path, command in COMMANDS.items():
        text = bonafide(*path, "--help").stdout
        assert "..." not in re.sub(r"[\]}]\.\.\.", "", text), path  # after a bracket: may be repeated
        flat = " ".join(text.split())
        for below in getattr(command, "commands", {}).values():
            first = below.help.split("\n\n")[0].partition(". ")[0].rstrip(".")
            assert " ".join(first.split()) in flat, path


@pytest.mark.parametrize("path", WITH_REGION, ids=" ".join)
def test_region_without_stack_is_wrong_usage(bonafide: Run, tmp_path: Path, path: tuple[str, ...]) -> None:
    """The attack is a habit: the person means the stack in AWS and changes the local one."""
    draft = tmp_path / "draft.cedar"
    draft.write_text("permit (principal, action, resource);")
    given = []
    for param in COMMANDS[path].params:
        value = str(draft) if param.name in ("path", "draft", "key_file") or "file" in param.name else "1"
        if param.param_type_name == "argument" and param.required:
            given.append(value)
        elif param.required:
            given.extend([param.opts[0], value])
    given = ARGUMENTS.get(" ".join(path), given)
    result = bonafide(*path, *given, "--region", "eu-west-1")
    assert (result.exit_code, "--stack" in result.stderr) == (2, True), result.output


def test_version_is_said(bonafide: Run) -> None:
    """For a report of a bug."""
    result = bonafide("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("bonafide 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_to_be_had(bonafide: Run, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """As docs/command.md says."""
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert f"_COMPLETE=complete_{shell}" in bonafide("--show-completion", shell).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, and an environment that names no stack."""
    for variable in ("BONAFIDE_RUN_FOLDER", "BONAFIDE_NAME", "BONAFIDE_PORT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Layout, "of_this_project", classmethod(lambda cls: cls(root=tmp_path)))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, ".local"),
        ({"BONAFIDE_PORT": "8700"}, ".local"),
        ({"BONAFIDE_PORT": "9000"}, ".local/stacks/9000"),
        ({"BONAFIDE_NAME": "two"}, ".local/stacks/two"),
        ({"BONAFIDE_NAME": "two", "BONAFIDE_PORT": "9000"}, ".local/stacks/two"),
        ({"BONAFIDE_NAME": "logs"}, ".local/stacks/logs"),
    ],
    ids=str,
)
def test_state_goes_by_name_or_port(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str
) -> None:
    """Two stacks of one checkout share no file: no log, no test root, no stack.json."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Layout.from_environment().local == checkout / folder
    assert LocalStack(ports=Ports(1, 2, 3, 4)).layout.local == checkout / folder


@pytest.mark.parametrize("name", ["..", "a/b", "A", "-a", "a\n", "x" * 33, "ü"])
def test_name_that_cannot_be_a_folder_is_refused(bonafide: Run, checkout: Path, name: str) -> None:
    """Before anything is written."""
    result = bonafide("--name", name, "app", "list")
    assert result.exit_code == 1
    assert "cannot be a local stack's name" in result.stderr
    assert list(checkout.iterdir()) == []
    assert "BONAFIDE_NAME" not in os.environ


@pytest.mark.usefixtures("checkout")
def test_command_finds_the_stack_that_is_meant_and_names_others(
    bonafide: Run, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`bonafide --name two` and BONAFIDE_NAME mean the same; without, the sentence says what else runs."""
    monkeypatch.delenv("BONAFIDE_RUN_FOLDER", raising=False)
    (checkout / ".local" / "stacks" / "two").mkdir(parents=True)
    (checkout / ".local" / "stacks" / "two" / "stack.json").write_text("{")
    assert "--name two" in " ".join(bonafide("app", "list").stderr.split())
    for result in (bonafide("--name", "two", "app", "list"),):
        assert "two/stack.json is damaged" in "".join(result.stderr.split("\n"))
    monkeypatch.setenv("BONAFIDE_NAME", "two")
    assert "is damaged" in bonafide("app", "list").stderr


def test_one_folder_is_held_by_one_stack(tmp_path: Path) -> None:
    """A second `local up` would delete the first one's logs and put its own address in the place of the other's."""
    layout = Layout(tmp_path, tmp_path / "run")
    with layout.held(), pytest.raises(LocalStackError, match=r"runs in .* already"), layout.held():
        pass
    (layout.local / "stack.json").write_text(json.dumps({}))
    with layout.held():
        assert layout.stack_file.exists()


@pytest.mark.enable_socket
@pytest.mark.usefixtures("checkout")
def test_named_stack_takes_the_next_free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """`local up --name two` works beside one that has 8700; --port and BONAFIDE_PORT are obeyed."""
    monkeypatch.setattr("bonafide.operator.layout.is_free", lambda port: port > 8706)
    monkeypatch.setenv("BONAFIDE_NAME", "two")
    assert Ports.from_environment().verifier == 8710
    monkeypatch.setenv("BONAFIDE_PORT", "9000")
    assert Ports.from_environment().verifier == 9000
