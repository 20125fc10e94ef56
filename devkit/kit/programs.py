"""A client under test: a program that reads one line of JSON per command, or the same in this process."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

PATIENCE: Final = 60.0
"""Real seconds for one command: no scenario waits in real time."""

_LONGEST_LINE: Final = 4 * 1024 * 1024


class BrokenProtocol(Exception):
    """The program ended, hung or answered what is no line of the protocol. The message is a sentence."""


class TestProgram(Protocol):
    """Whatever takes commands."""

    def command(self, members: Mapping[str, object]) -> dict[str, Any]:
        """One command and its answer. Raises :class:`BrokenProtocol`."""
        ...

    def end(self) -> None:
        """End it; raises nothing."""
        ...


class Program:
    """A client's test program in a process of its own."""

    __test__ = False

    def __init__(self, argv: Sequence[str], config: Path, *, folder: Path | None = None) -> None:
        try:
            self._process = subprocess.Popen(
                [*argv, str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                cwd=folder,
            )
        except OSError as error:
            raise BrokenProtocol(f"{argv[0]} cannot be started: {error.strerror}.") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process without the pipes that were asked for")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True, name="test program").start()

    def command(self, members: Mapping[str, object]) -> dict[str, Any]:
        try:
            self._stdin.write(json.dumps(members) + "\n")
            self._stdin.flush()
            line = self._lines.get(timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise BrokenProtocol(f"The program ended before {members['do']!r}.") from error
        except queue.Empty as error:
            raise BrokenProtocol(f"No answer to {members['do']!r} within {PATIENCE:.0f} s.") from error
        if not line:
            raise BrokenProtocol(f"The program ended at {members['do']!r}.")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BrokenProtocol(f"The answer to {members['do']!r} is no JSON: {line[:120]!r}.") from error
        if not isinstance(answer, dict):
            raise BrokenProtocol(f"The answer to {members['do']!r} is no object.")
        return answer

    def end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write('{"do":"quit"}\n')
            self._stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := self._stdout.readline(_LONGEST_LINE):
                self._lines.put(line)
        self._lines.put("")
