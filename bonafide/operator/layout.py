"""Where things are: the project's folders, and the loopback ports of the local stack."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8700
NAME_VARIABLE = "BONAFIDE_NAME"
PORT_VARIABLE = "BONAFIDE_PORT"
FOLDER_VARIABLE = "BONAFIDE_RUN_FOLDER"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z", re.ASCII)


class LocalStackError(Exception):
    """Something the operator can put right. The message is one sentence and says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The project's folders; every path is absolute.

    `run_folder` moves what a stack writes while it runs, so that several stacks run from one checkout.
    """

    root: Path
    run_folder: Path | None = None

    @classmethod
    def of_this_project(cls) -> Layout:
        """The layout of the checkout that this module belongs to."""
        return cls(root=Path(__file__).resolve().parents[2])

    @classmethod
    def from_environment(cls) -> Layout:
        """The layout of the local stack that is meant: each stack of a checkout has a folder of its own.

        `BONAFIDE_RUN_FOLDER` names the folder itself, `BONAFIDE_NAME` the stack; one without a name goes by its
        `BONAFIDE_PORT`, and the one without either is `.local` itself.

        Raises:
            LocalStackError: when the name cannot be one.
        """
        here = cls.of_this_project()
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder:
            return cls(here.root, Path(folder).resolve())
        port = os.environ.get(PORT_VARIABLE, "")
        name = os.environ.get(NAME_VARIABLE) or ("" if port == str(DEFAULT_PORT) else port)
        if not name:
            return here
        if not _NAME.match(name):
            raise LocalStackError(
                f"{name[:40]!r} cannot be a local stack's name: small letters, digits and dashes, 32 at most."
            )
        return cls(here.root, here.stacks / name)

    @property
    def name(self) -> str:
        """What the stack is called; empty for the one of `.local` itself."""
        return self.run_folder.name if self.run_folder is not None else ""

    @property
    def stacks(self) -> Path:
        """The folders of the stacks that have a name. They stand apart, so that no name is taken by something else."""
        return self.root / ".local" / "stacks"

    def running(self) -> tuple[str, ...]:
        """The names of this checkout's stacks that said they run, the one without a name first as an empty text."""
        named = sorted(file.parent.name for file in self.stacks.glob("*/stack.json"))
        return (*(("",) if (self.root / ".local" / "stack.json").exists() else ()), *named)

    @property
    def template(self) -> Path:
        """The one template: the stack in AWS and the stack on the laptop."""
        return self.root / "template.yaml"

    @property
    def example(self) -> Path:
        """The template of the example that runs beside the stack."""
        return self.root / "examples" / "orders-backend" / "template.yaml"

    @property
    def local(self) -> Path:
        """Everything a running stack writes. Ignored by git; `make clean` removes it."""
        return self.run_folder or self.root / ".local"

    @property
    def logs(self) -> Path:
        """One log file per process of the local stack."""
        return self.local / "logs"

    @property
    def decisions(self) -> Path:
        """Decisions of the stack, a file for each UTC day; survives restarts so that drafts can be replayed."""
        return self.local / "decisions"

    @property
    def authority(self) -> Path:
        """The software devices' test root; survives restarts so that minted evidence stays usable."""
        return self.local / "authority"

    @property
    def status_list(self) -> Path:
        """The list of revoked Android keys that the stand-in for Google's server serves. May be edited at any time."""
        return self.local / "status-list.json"

    @property
    def service_account(self) -> Path:
        """Key file of the service account that may ask the stand-in for Google's Play Integrity API."""
        return self.local / "google" / "service-account.json"

    @property
    def stack_file(self) -> Path:
        """What a running local stack publishes about itself."""
        return self.local / "stack.json"

    @property
    def packages(self) -> Path:
        """Third-party packages of the workers, one folder per layer, installed from the layers' locks."""
        return self.root / ".local" / "packages"

    @property
    def python(self) -> Path:
        """Python of the developer's environment."""
        return self.root / ".venv" / "bin" / "python"

    @property
    def sam_python(self) -> Path:
        """Python of the environment that holds SAM CLI and ministack."""
        return self.root / ".venv-sam" / "bin" / "python"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one stack: a second one in it would delete the logs of the first and take its place.

        Raises:
            LocalStackError: when another process holds it.
        """
        self.local.mkdir(parents=True, exist_ok=True)
        with (self.local / "lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LocalStackError(
                    f"A local stack runs in {self.local} already: end it, or give this one a name with --name."
                ) from None
            yield

    def require_sam_python(self) -> Path:
        """The SAM environment's Python.

        Raises:
            LocalStackError: when `make setup` has not made it yet.
        """
        if not self.sam_python.exists():
            raise LocalStackError(f"{self.sam_python} is missing: run `make setup` first.")
        return self.sam_python


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one local stack. `example` are those of the example stack: its Lambda endpoint, its
    REST API, its HTTP API; none, and the stack is alone."""

    verifier: int
    guarded: int
    aws: int
    functions: int
    example: tuple[int, ...] = ()

    @property
    def edge(self) -> int:
        """The port of the edge, for a stack that has one: the eighth in the row."""
        return self.verifier + 7

    @classmethod
    def from_environment(cls) -> Ports:
        """Seven ports in a row from `BONAFIDE_PORT`; without it from 8700, or for a stack with a name the next that
        are free.

        Raises:
            LocalStackError: when the variable is not a usable port number.
        """
        if PORT_VARIABLE not in os.environ and os.environ.get(NAME_VARIABLE):
            return cls.next_free()
        text = os.environ.get(PORT_VARIABLE, str(DEFAULT_PORT))
        if not text.isdigit() or not 1024 <= int(text) <= 65529:
            raise LocalStackError(f"BONAFIDE_PORT is {text!r}: give a port number between 1024 and 65529.")
        return cls.in_a_row(int(text))

    @classmethod
    def in_a_row(cls, first: int) -> Ports:
        """Seven ports from `first` on."""
        verifier, guarded, aws, functions, *example = range(first, first + 7)
        return cls(verifier, guarded, aws, functions, tuple(example))

    @classmethod
    def next_free(cls) -> Ports:
        """The first seven free ports in a row, ten numbers apart, from `BONAFIDE_PORT`'s default on.

        Raises:
            LocalStackError: when there are none.
        """
        for first in range(DEFAULT_PORT, DEFAULT_PORT + 1000, 10):
            if all(is_free(port) for port in range(first, first + 7)):
                return cls.in_a_row(first)
        raise LocalStackError(f"No seven ports in a row are free on {LOOPBACK}: choose some with --port.")

    def require_free(self) -> None:
        """Make sure that no process listens on any of them.

        Raises:
            LocalStackError: names the first taken port.
        """
        for port in (self.verifier, self.guarded, self.aws, self.functions, *self.example):
            if not is_free(port):
                raise LocalStackError(
                    f"Port {port} on {LOOPBACK} is taken: stop what uses it, or choose another with --port "
                    "or BONAFIDE_PORT."
                )


def is_free(port: int) -> bool:
    """Whether this process could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """Loopback ports free at this moment, all different. Another process may still be faster."""
    listeners = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return tuple(listener.getsockname()[1] for listener in listeners)
    finally:
        for listener in listeners:
            listener.close()
