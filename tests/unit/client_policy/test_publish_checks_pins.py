"""``bonafide policy publish`` asks the hosts before it asks the operator."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.appraisal.lint.message import LintMessage
from typer.testing import CliRunner

from bonafide.cli.main import cli
from bonafide.operator.errors import OperatorError
from bonafide.policies import pin_check
from tests.unit.client_policy.draft import SOUND, text_of

MISMATCH = LintMessage(23, "error", "pins-match-nothing", "", "No pin matches what api.example.com shows.", "")
UNREACHABLE = LintMessage(23, "warning", "host-unreachable", "", "api.example.com could not be asked.", "")


@pytest.fixture(name="draft")
def _draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def no_stack(*_: object) -> None:
        raise OperatorError("There is no stack.")

    monkeypatch.setattr("bonafide.cli.policy.publish.find_deployment", no_stack)
    monkeypatch.setattr("bonafide.cli.policy.publish.time.time", lambda: 1_800_000_000.0)
    path = tmp_path / "client.json"
    path.write_text(text_of(SOUND), "utf-8")
    return path


@pytest.mark.parametrize(
    ("found", "more", "goes_on"),
    [
        ((), (), True),
        ((UNREACHABLE,), (), True),
        ((MISMATCH,), (), False),
        ((MISMATCH,), ("--skip-pin-check",), True),
    ],
    ids=["matched", "unreachable", "no match", "no match, skipped"],
)
def test_pins_that_match_nothing_are_not_published(
    draft: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: tuple[LintMessage, ...],
    more: tuple[str, ...],
    goes_on: bool,
) -> None:
    """Refused before the stack is even looked up, unless the operator insists; doubts are shown."""
    monkeypatch.setattr(pin_check, "check_pins", lambda _text: found)
    command = ["policy", "publish", str(draft), "--app", "demo", "--reason", "test", "--yes", *more]
    result = CliRunner().invoke(cli, command)
    assert ("There is no stack." in result.output) is goes_on
    shown = bool(found) and not more
    assert all((entry.code in result.output) is shown for entry in found)
    assert ("Nothing was published." in result.output) is not goes_on
