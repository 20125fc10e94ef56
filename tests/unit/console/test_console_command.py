"""``bonafide console`` as a process: its address, further ones, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from bonafide.cli.console.console import opened
from bonafide.cli.main import cli

FACTS = {
    "verifier_url": "http://127.0.0.1:9",
    "guarded_url": "http://127.0.0.1:9",
    "aws_endpoint_url": "http://127.0.0.1:9",
    "lambda_endpoint_url": "http://127.0.0.1:9",
    "region": "eu-central-1",
    "stack_name": "bonafide-local",
    "issuer": "i",
    "audience": "a",
    "tables": {},
    "functions": {},
    "root_public_key": "",
    "wrapping_key_id": "",
}


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, beside a local stack that said it runs."""
    (tmp_path / "stack.json").write_text(json.dumps(FACTS))
    command = [sys.executable, "-c", "from bonafide.cli.main import main; main()", "console", "--json", "--app", "demo"]
    environment = {**os.environ, "BONAFIDE_RUN_FOLDER": str(tmp_path)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def address(stream: IO[str] | None) -> str:
    assert stream is not None
    return str(json.loads(stream.readline())["address"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_console_prints_addresses_and_ends(started: subprocess.Popen[str], number: int) -> None:
    """One at the start, one more for a line; exit code 0 at Ctrl-C and SIGTERM, in a word and without a trace."""
    first = address(started.stdout)
    assert first.startswith("http://127.0.0.1:")
    assert "/now?app=demo&key=" in first
    assert started.stdin is not None
    started.stdin.write("\n")
    started.stdin.flush()
    second = address(started.stdout)
    assert second != first
    assert second.partition("key=")[0] == first.partition("key=")[0]
    try:
        status = urllib.request.urlopen(first, timeout=20).status
    except urllib.error.HTTPError as refusal:  # 503 where the pages are not built
        status = refusal.code
    assert status in (200, 503)
    started.send_signal(number)
    _, said = started.communicate(timeout=60)
    assert (started.returncode, said.strip().splitlines()[-1]) == (0, "Stopping.")


def test_console_without_a_stack_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is served."""
    monkeypatch.setenv("BONAFIDE_RUN_FOLDER", str(tmp_path))
    result = CliRunner().invoke(cli, ["console"])
    assert result.exit_code == 1
    assert "is not running" in result.output
    assert CliRunner().invoke(cli, ["console", "--region", "eu-central-1"]).exit_code == 2


def test_browser_is_not_started_with_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: another user of the machine reads the list of processes, and is quicker. What leads to the address is
    a file that its owner alone can read, gone with the console."""
    started: list[str] = []
    monkeypatch.setattr(webbrowser, "open", started.append)
    with opened("http://127.0.0.1:8/now?app=a&key=SECRET", tmp_path / "made"):
        [page] = (tmp_path / "made").iterdir()
        assert started == [page.as_uri()]
        assert "SECRET" not in started[0]
        assert page.stat().st_mode & 0o077 == 0
        assert 'content="0;url=http://127.0.0.1:8/now?app=a&amp;key=SECRET"' in page.read_text()
    assert not page.exists()
