"""What people are told of a change of policy, also when only half of it worked."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from bonafide.cli.outcome import confirm, say_messages, told
from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.errors import OperatorError
from bonafide.operator.publication import publication_of
from bonafide.policies.publishing import Documents, difference
from tests.unit.command.answered_admin_api import api


def answer(**changes: object) -> dict[str, Any]:
    stands = {"app": "demo", "latest": 2, "stable": 2, "previous": 1, "canary": None, "proposal": None}
    return {**stands, "added": {"version": 2}, "proposed": None, "tokens_not_before": None, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "at its next renewal"),
        ({"tokens_not_before": 1_795_521_600}, "Tokens issued before 2026-11-24 12:00:00Z are refused"),
        (
            {"canary": {"version": 2, "rollout": 5}, "stable": 1},
            "to 5 % of the keys of demo; version 1 is active for the others",
        ),
        ({"stable": 0, "canary": {"version": 1, "rollout": 5}}, "the built-in default is active for the others"),
        ({"proposed": {"version": 3}, "added": None}, "Proposal 3 for demo waits for another person"),
    ],
)
def test_outcome_is_said_in_words(changes: dict[str, object], said: str) -> None:
    """When it takes effect, for whom, and what is still to be done."""
    assert said in " ".join(told(answer(**changes)))


def test_change_that_was_not_published_is_an_error_that_says_it_stands() -> None:
    """The failure: a script goes on as if the gate knew."""
    deployment = api("http://127.0.0.1:9").deployment
    with pytest.raises(OperatorError, match="is stored, but no trust bundle was published: do that, or wait"):
        publication_of(deployment, {"published": False, "bundle_version": None}, since=0.0, again="do that")


def test_messages_of_the_stack_name_the_drafts_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Like those of `policy lint`."""
    message = {
        "document": "client",
        "line": 3,
        "severity": "error",
        "code": "c",
        "rule": "",
        "text": "no",
        "hint": "do",
    }
    problem = AdminProblem("x", status=422, slug="policy-invalid", messages=(message, {"at": "why", "text": "short"}))
    say_messages(problem, {"client": "my/client.json"})
    said = capsys.readouterr().err
    assert "my/client.json:3: error[c] no\n    hint: do" in said
    assert "why: short" in said


def test_no_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked at a terminal, or not at all."""
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _self: True})())
    for reply in (True, False):
        monkeypatch.setattr(typer, "confirm", lambda _question, reply=reply: reply)
        if reply:
            confirm("Really?", yes=False)
        else:
            with pytest.raises(OperatorError, match="Nothing was changed"):
                confirm("Really?", yes=False)
    confirm("Really?", yes=True)


def test_difference_names_files_and_versions() -> None:
    """A document that stays is not mentioned."""
    text = difference(Documents("version 1", "a\n", "{}"), Documents("draft", "b\n", "{}"))
    assert text.splitlines()[:2] == ["--- appraisal.cedar (version 1)", "+++ appraisal.cedar (draft)"]
    assert "client.json" not in text
