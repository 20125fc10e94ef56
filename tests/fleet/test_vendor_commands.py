"""The operator's commands about vendors, against a running stack: the status list, and Play Integrity's keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bonafide.cli.main import cli
from devkit.devices.android.play_integrity import ResponseKeys
from devkit.devices.demo_app import DEMO_PACKAGE
from devkit.devices.fake_google import SoftwareGoogle

from .conftest import FleetStack

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def _run_folder(fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_status_list_is_shown_and_refreshed(fleet_stack: FleetStack) -> None:
    """An edit of the served file reaches the stack with one command."""
    shown = json.loads(run("endorsements", "show", "--json"))
    assert shown["entries"] == 2
    path = fleet_stack.layout.status_list
    before = path.read_text("utf-8")
    try:
        content = json.loads(before)
        content["entries"]["abcdef"] = {"status": "REVOKED"}
        path.write_text(json.dumps(content), "utf-8")
        assert json.loads(run("endorsements", "refresh", "--json"))["outcome"] == "replaced"
        assert json.loads(run("endorsements", "show", "--json"))["entries"] == 3
        path.write_text("{", "utf-8")
        kept = json.loads(run("endorsements", "refresh", "--json", code=1))
        assert (kept["outcome"], kept["entries"]) == ("kept", 3)
        assert "JSON" in kept["detail"]
        assert "kept: 3 entries" in run("endorsements", "refresh", code=1)
    finally:
        path.write_text(before, "utf-8")
        run("endorsements", "refresh", "--force")
    assert "confirmed by Google" in run("endorsements", "show")


def test_play_keys_are_added_listed_and_removed(tmp_path: Path) -> None:
    """From files, as the console gives them; no command ever shows one."""
    texts = ResponseKeys.create().console_texts
    files = {name: tmp_path / name for name in texts}
    for name, path in files.items():
        path.write_text(texts[name] + "\n", "ascii")
    options = (
        "--decryption-key-file",
        str(files["decryption_key"]),
        "--verification-key-file",
        str(files["verification_key"]),
    )
    added = json.loads(run("app", "play-key", "add", "demo", *options, "--json"))
    listed = run("app", "play-key", "list", "demo")
    assert added["name"] in listed
    assert "play-account" in listed
    assert texts["decryption_key"] not in listed + json.dumps(added)
    assert added["name"] in run("app", "play-key", "remove", "demo", added["name"])
    assert added["name"] not in run("app", "play-key", "list", "demo")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("app", "play-key", "list", "nobody"), "No app called nobody is registered."),
        (("app", "play-key", "remove", "demo", "nothing"), "demo has no secret called nothing."),
        (("app", "play-account", "set", "demo", "--file", "/nonexistent"), "There is no file /nonexistent."),
    ],
)
def test_mistake_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    """On standard error, with exit code 1."""
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 1
    assert sentence in result.output


def test_file_that_is_no_account_is_refused(tmp_path: Path) -> None:
    """Before anything is stored, and without quoting it."""
    path = tmp_path / "account.json"
    path.write_text('{"client_email": "a@b", "private_key": "secret words"}', "ascii")
    result = CliRunner().invoke(cli, ["app", "play-account", "set", "demo", "--file", str(path)])
    assert result.exit_code == 1
    assert "no RSA key in PEM" in result.output
    assert "secret words" not in result.output


def test_demo_keys_are_where_the_fleet_put_them(fleet_stack: FleetStack) -> None:
    """The fleet uses the operator's path as well: the same pair has the same name."""
    keys = SoftwareGoogle(fleet_stack.authority.android).response_keys(DEMO_PACKAGE)
    assert keys.console_texts["decryption_key"] not in run("app", "play-key", "list", "demo")
    kept = [one["kind"] for one in json.loads(run("app", "play-key", "list", "demo", "--json"))]
    assert sorted(kept) == ["device-check-key", "play-response-keys", "play-service-account"]
