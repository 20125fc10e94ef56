"""The commands that change policies, routes and keys, signed and through the gateway of a running stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import default_policy
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli
from bonafide.operator.admin_api import OPERATOR_VARIABLE

from .conftest import FleetStack

pytestmark = [pytest.mark.stack, pytest.mark.long]
APP = "policy-shop"
RULE = """
@id("hooked") @advice("update-app")
forbid (principal, action, resource)
when { context.signals has hooking };
"""
Run = Callable[..., Result]


@pytest.fixture
def run(fleet_stack: FleetStack, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``bonafide`` as ann."""
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(fleet_stack.layout.local))
    monkeypatch.setenv(OPERATOR_VARIABLE, "ann")
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """The default with one more rule."""
    (tmp_path / "appraisal.cedar").write_text(default_policy().text + RULE, encoding="utf-8")
    return tmp_path


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_policy_goes_out_and_comes_back(run: Run, draft: Path) -> None:
    """Publish for some, promote with effect now, look, compare, roll back: each with what it says to people."""
    run("app", "register", APP, "--apple-app-id", "TEAMID1234.org.example.policyshop")
    shown = run("policy", "show", "--app", APP)
    assert "The built-in default is active" in shown.stdout
    some = (
        "--rollout",
        "5",
        "--now",
        "--at-once",
        "platform=ios, app_build_below=120",
        "--grace",
        "600",
        "--no-proofs",
    )
    published = run("policy", "publish", str(draft), "--app", APP, "--reason", "seen", *some, "--yes")
    assert published.exit_code == 0, published.output
    assert '+@id("hooked")' in published.stdout
    assert "Version 1 is rolling out to 5 % of the keys" in published.stdout
    assert "at once those that are named, the others one by one until" in published.stdout
    assert "at once: platform=ios, app_build_below=120" in run("policy", "show", "--app", APP).stdout
    promoted = run("policy", "promote", "--app", APP, "--reason", "quiet", "--now")
    assert "Version 1 is active for" in promoted.stdout
    assert "Tokens issued before" in promoted.stdout
    assert "served after" in promoted.stdout
    assert as_json(run("policy", "show", "--app", APP, "--json"))["paced"] == [], "all at once, as nothing was named"
    again = run("policy", "publish", str(draft), "--app", APP, "--reason", "again", "--yes")
    assert again.exit_code == 1
    assert "is active for policy-shop already" in again.stderr
    back = as_json(run("policy", "rollback", "--app", APP, "--reason", "false alarm", "--yes", "--now", "--json"))
    assert (back["stable"], back["added"]["restores"], back["published"]) == (2, 0, True)
    assert back["served_seconds"] is not None
    history = as_json(run("policy", "history", "--app", APP, "--json"))
    assert [(v["version"], v["by"].rpartition("/")[2]) for v in history] == [(2, "ann"), (1, "ann")]
    assert "hooked" in as_json(run("policy", "diff", "--app", APP, "1", "2", "--json"))["diff"]
    assert "hooked" in run("policy", "diff", "--app", APP, str(draft)).stdout
    assert "hooked" in run("policy", "show", "--app", APP, "--version", "1").stdout


def test_draft_with_errors_is_refused_before_anything_is_sent(run: Run, draft: Path) -> None:
    """With the linter's words; with --json as data."""
    (draft / "appraisal.cedar").write_text(RULE.replace("hooking", "hokking"), encoding="utf-8")
    command = ("policy", "publish", str(draft), "--app", "demo", "--reason", "x", "--yes")
    refused = run(*command)
    assert refused.exit_code == 1
    assert "hooking" in refused.stderr
    assert "Nothing was published." in refused.stderr
    listed = run(*command, "--json")
    assert json.loads(listed.stdout)["errors"] >= 1


def test_no_terminal_means_no(run: Run, draft: Path) -> None:
    """In a script without --yes nothing is published."""
    refused = run("policy", "publish", str(draft), "--app", "demo", "--reason", "x")
    assert refused.exit_code == 1
    assert "add --yes" in refused.stderr
    assert as_json(run("policy", "show", "--app", "demo", "--json"))["latest"] == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("show", "--app", "nobody"), "No app called nobody is registered."),
        (("show", "--app", "demo", "--version", "9"), "no policy version 9"),
        (("promote", "--app", "demo", "--reason", "x"), "nothing to promote"),
        (("rollback", "--app", "demo", "--reason", "x", "--yes"), "nothing to go back to"),
        (("approve", "--app", "demo"), "No proposal for demo waits for approval."),
        (("reject", "--app", "demo", "--reason", "x"), "No proposal for demo waits for approval."),
        (("diff", "--app", "demo"), "nothing to compare"),
        (("diff", "--app", "demo", "1", "x"), "Name two versions, one version, or one draft"),
    ],
    ids=lambda value: "-".join(value[:1]) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_sentence(run: Run, command: tuple[str, ...], said: str) -> None:
    """On standard error, with exit code 1."""
    result = run("policy", *command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_routes_and_not_before_say_who_changed_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another operator's change is kept, and both are in the audit by name."""
    as_json(run("route", "set", "https://shop.example/v1", "GET /a", "token", "--new", "--json"))
    monkeypatch.setenv(OPERATOR_VARIABLE, "bob")
    changed = as_json(run("route", "set", "https://shop.example/v1", "GET /b", "proof", "--json"))
    assert [route[1] for route in changed["routes"]] == ["/a", "/b"]
    assert changed["updated_by"].endswith("user/bob")
    assert changed["bundle_version"] > 1
    moved = as_json(run("token", "revoke", "demo", "--json"))
    assert as_json(run("token", "show", "demo", "--json"))["tokens_not_before"] == moved["tokens_not_before"]
    unknown = run("device-key", "show", "A" * 43)
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "it was never enrolled" in unknown.stderr
