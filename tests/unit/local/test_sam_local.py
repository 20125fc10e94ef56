"""What `make sam-local` prepares for SAM CLI; Docker itself is the user's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout, LocalStackError
from devkit.stack.sam_local import bridge_address, build, function_variables, start_command, with_endpoint_variable


def test_endpoint_variable_is_declared_without_changing_the_original() -> None:
    """SAM CLI overrides only variables that the template declares."""
    template = {"Globals": {"Function": {"Environment": {"Variables": {"STAGE": {"Ref": "Stage"}}}}}}
    changed = with_endpoint_variable(template)
    assert changed["Globals"]["Function"]["Environment"]["Variables"]["AWS_ENDPOINT_URL"] == ""
    assert "AWS_ENDPOINT_URL" not in template["Globals"]["Function"]["Environment"]["Variables"]


def test_every_function_is_told_the_way_out_of_its_container() -> None:
    """Its own variables, and the stand-in's address as a container sees it."""
    told = function_variables({"One": {"A": "1"}, "Two": {}}, "http://host.docker.internal:8702")
    assert told["One"] == {"A": "1", "AWS_ENDPOINT_URL": "http://host.docker.internal:8702"}
    assert set(told) == {"One", "Two"}


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_are_started_for_the_machine_they_were_built_for(
    monkeypatch: pytest.MonkeyPatch, architecture: str, tmp_path: Path
) -> None:
    """The failure: built for x86_64, started for the template's default arm64, and every call is 502."""
    seen: list[list[str]] = []

    def run(line: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        seen.append(line)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr("devkit.stack.sam_local.subprocess.run", run)
    layout = Layout(Layout.of_this_project().root, tmp_path)
    built = build(layout, architecture)
    started = start_command(layout, built, tmp_path / "v.json", architecture=architecture, address="172.17.0.1")
    for line in (*seen, started):
        assert line[line.index("--parameter-overrides") + 1] == f"Architecture={architecture}"
    assert started[started.index("--template") + 1] == str(built)


def test_missing_docker_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the way that needs none."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LocalStackError, match="make run"):
        bridge_address()


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("172.17.0.1", True),
        ("192.168.65.1", True),
        ("0.0.0.0", False),  # noqa: S104 - refused
        ("8.8.8.8", False),
        ("", False),
        ("fe80::1", False),
        ("172.17.0.1 172.18.0.1", False),
    ],
)
def test_stand_in_listens_on_private_addresses_alone(
    monkeypatch: pytest.MonkeyPatch, answer: str, accepted: bool
) -> None:
    """The attack: a bridge with an odd address, and any machine can read the local stack's keys."""
    monkeypatch.setattr("devkit.stack.sam_local.shutil.which", lambda _name: "/usr/bin/docker")
    monkeypatch.setattr("devkit.stack.sam_local.platform.system", lambda: "Linux")
    ended = subprocess.CompletedProcess([], 0, stdout=answer + "\n")
    monkeypatch.setattr("devkit.stack.sam_local.subprocess.run", lambda *_, **__: ended)
    if accepted:
        assert bridge_address() == answer
    else:
        with pytest.raises(LocalStackError):
            bridge_address()
