"""What a finding suggests can be done: its rule only lowers (``tests/unit/cedar/test_incident_rule.py`` judges it), and
its command exists."""

from __future__ import annotations

import shlex
from pathlib import Path

from service.detection.population.remedies import drafted_rule
from typer.testing import CliRunner

from bonafide.cli.main import cli


def test_command_is_one_of_ours(tmp_path: Path) -> None:
    program, *words = shlex.split(drafted_rule("key-farm", "bank", "Refuse these keys.").command)
    assert program == "bonafide"

    answer = CliRunner().invoke(cli, [*(str(tmp_path) if word == "DRAFT" else word for word in words)])

    assert answer.exit_code != 0
    assert "Usage" not in answer.output  # the folder has no policy, and all else is as the command takes it


def test_rule_of_what_is_shared_only_warns() -> None:
    assert 'Action::"affirm"' in drafted_rule("leaked-keybox", "bank", "", warns=True).rule
    assert 'Action::"affirm"' not in drafted_rule("key-farm", "bank", "").rule
