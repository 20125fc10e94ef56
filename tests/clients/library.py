"""A client library of `clients/`: how it is built and run, by its own `client.json`.

Every command runs in the library's folder. `{out}` in an argument is its output folder, `{vectors}` the repository's
vectors, `{root}` the repository, `{python}` the Python of the tools.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from devkit.devices.authority.authority import DeviceAuthority
from devkit.kit.run import Result, Theatre
from devkit.kit.scenario import Scenario

ROOT: Final = Path(__file__).parents[2]
_TIME_OUT: Final = 900.0


class Broken(Exception):
    """The library cannot be used. The message says why, with the end of what its command printed."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library. ``folder`` has its sources, ``out`` what is made of them."""

    name: str
    folder: Path
    out: Path
    needs: Mapping[str, str]
    build_commands: tuple[tuple[str, ...], ...]
    vectors_command: tuple[str, ...]
    program_command: tuple[str, ...]
    platform: str
    app: str

    @classmethod
    def load(cls, name: str) -> Library:
        """The library of that folder in `clients/`. Raises :class:`Broken`."""
        folder = ROOT / "clients" / name
        try:
            told: dict[str, Any] = json.loads((folder / "client.json").read_text("utf-8"))
            build = told["build"]
            commands = [build] if isinstance(build[0], str) else build
            return cls(
                name=name,
                folder=folder,
                out=ROOT / ".local" / "clients" / name,
                needs=told["needs"],
                build_commands=tuple(tuple(command) for command in commands),
                vectors_command=tuple(told["vectors"]),
                program_command=tuple(told["program"]),
                platform=told["live"]["platform"],
                app=told["live"]["app"],
            )
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Broken(f"clients/{name}/client.json: {error!r}.") from error

    def missing(self) -> dict[str, str]:
        """The commands that it needs and this machine has not, each with the Debian package that has it."""
        return {command: package for command, package in self.needs.items() if shutil.which(command) is None}

    def copied_to(self, folder: Path) -> Library:
        """The same sources in another folder, with an output folder beside them."""
        sources, out = folder / "source", folder / "out"
        shutil.rmtree(sources, ignore_errors=True)
        shutil.copytree(self.folder, sources, symlinks=True)
        return replace(self, folder=sources, out=out)

    def build(self) -> None:
        """Compile it. Raises :class:`Broken`."""
        self.out.mkdir(parents=True, exist_ok=True)
        for command in self.build_commands:
            done = self._run(command)
            if done.returncode:
                raise Broken(f"{' '.join(command)} failed:\n{_end(done.stdout)}")

    def vectors(self, *files: str) -> tuple[bool, list[str]]:
        """Whether the vectors of these files pass (of all without), and what was printed, line by line."""
        done = self._run((*self.vectors_command, *files))
        return done.returncode == 0, done.stdout.splitlines()

    def scenarios(self, scenarios: Sequence[Scenario]) -> list[Result]:
        """Play scenarios to its test program."""
        theatre = Theatre(DeviceAuthority.create(), self.platform)
        return list(theatre.run(scenarios, self.program(), folder=self.folder))

    def program(self) -> list[str]:
        """The command that starts its test program."""
        return [self._filled(argument) for argument in self.program_command]

    def _filled(self, argument: str) -> str:
        places = {"out": self.out, "vectors": ROOT / "vectors", "root": ROOT, "python": sys.executable}
        for name, value in places.items():
            argument = argument.replace(f"{{{name}}}", str(value))
        return argument

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        argv = [self._filled(argument) for argument in command]
        try:
            return subprocess.run(
                argv,
                cwd=self.folder,
                env={**os.environ, "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_TIME_OUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Broken(f"{argv[0]}: {error}") from error


def names() -> list[str]:
    """The libraries that there are."""
    return sorted(file.parent.name for file in (ROOT / "clients").glob("*/client.json"))


def _end(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-25:])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join(line.rstrip() for line in lines)
