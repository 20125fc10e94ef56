"""The command, run in this process, with a folder of its own for test root and devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bonafide.cli.main import cli

Run = Callable[..., Result]


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What takes the place of ``.local``."""
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(tmp_path))
    monkeypatch.delenv("BONAFIDE_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def bonafide(run_folder: Path) -> Run:
    """Runs ``bonafide`` with these arguments and, as ``stdin``, this input."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli, list(arguments), input=stdin)

    return run
