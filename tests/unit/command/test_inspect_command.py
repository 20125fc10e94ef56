"""``bonafide inspect``: anything in, something readable out, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_body_of_attest_is_shown(bonafide: Run, tmp_path: Path) -> None:
    """What `attest` writes, `inspect` reads: the release, the app, the signals."""
    body = bonafide("attest", "--challenge", "A" * 64, "--signal", "debugger").stdout
    file = tmp_path / "attestation.json"
    file.write_text(body)
    shown = bonafide("inspect", str(file))
    assert shown.exit_code == 0, shown.output
    assert "debugger" in shown.stdout
    assert "26.2" in shown.stdout
    record = json.loads(bonafide("inspect", str(file), "--json").stdout)
    assert record["kind"] == "request body"


def test_body_comes_through_a_pipe(bonafide: Run) -> None:
    """`bonafide attest … | bonafide inspect -`."""
    body = bonafide("attest", "--challenge", "A" * 64).stdout
    assert bonafide("inspect", "-", stdin=body).exit_code == 0


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"{", b"[" * 5_000, b"A" * 2_000_000])
def test_what_cannot_be_read_is_said_so(bonafide: Run, tmp_path: Path, content: bytes) -> None:
    """Exit code 1, a sentence, no trace; whatever the file."""
    file = tmp_path / "file"
    file.write_bytes(content)
    result = bonafide("inspect", str(file))
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_missing_file_is_one_sentence(bonafide: Run, tmp_path: Path) -> None:
    """A typing error names the file."""
    result = bonafide("inspect", str(tmp_path / "nope"))
    assert result.exit_code == 1
    assert "There is no file" in result.stderr


def test_folder_is_one_sentence(bonafide: Run, tmp_path: Path) -> None:
    """A folder is no evidence."""
    result = bonafide("inspect", str(tmp_path))
    assert result.exit_code == 1
    assert "Traceback" not in result.output
