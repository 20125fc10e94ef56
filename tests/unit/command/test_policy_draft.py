"""``bonafide policy draft``: the console's "Refuse these" as a command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from attestation.appraisal.cedar.rules import read_rules
from typer.testing import CliRunner

from bonafide.cli.main import cli
from tests.unit.console.running import deployment

ACTIVE = "permit (principal, action, resource);\n"


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose Admin API knows one active version."""

    def call(_self: object, _method: str, path: str, _body: Mapping[str, object] | None = None) -> dict[str, Any]:
        return {"stable": 3} if path == "/admin/policies/demo" else {"appraisal": ACTIVE, "client": ""}

    monkeypatch.setattr("bonafide.cli.policy.draft.find_deployment", lambda *_: deployment())
    monkeypatch.setattr("bonafide.operator.admin_api.AdminApi.call", call)


def draft(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["policy", "draft", "--app", "demo", *arguments])


def test_draft_is_the_active_policy_and_one_rule() -> None:
    """On standard output alone, so that it can be written to a file; notes are complaints."""
    result = draft("--fact", 'model=Pixel "9"', "--fact", "why=token-expired", "--advice", "update-app")
    assert result.exit_code == 0
    assert result.stdout.startswith(ACTIVE)
    assert [rule.rule.rule for rule in read_rules(result.stdout)] == ["", "refuse-token-expired-pixel-9"]
    assert "before any policy is asked" in result.stderr


def test_draft_for_scripts() -> None:
    """With its parts."""
    told = json.loads(draft("--fact", "signal=inline-hook", "--only-warn", "--json").stdout)
    assert told["rule"] == "warn-inline-hook"
    assert told["appraisal"].endswith(told["text"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--fact", "model"), 2, "NAME=VALUE"),
        (("--fact", "route=x"), 1, "not requests"),
        (("--fact", "model=x", "--advice", "a b"), 1, "one word for the app"),
    ],
)
def test_what_cannot_be_drafted_is_said(arguments: tuple[str, ...], code: int, said: str) -> None:
    """In a sentence."""
    result = draft(*arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output
