"""Where things are: the project's folders, and the loopback ports of the local stack."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8700


class LocalStackError(Exception):
    """Something the operator can put right. The message is one sentence and says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The project's folders; every path is absolute.

    `run_folder` moves what a stack writes while it runs; tests use it to run beside an operator's stack.
    """

    root: Path
    run_folder: Path | None = None

    @classmethod
    def of_this_project(cls) -> Layout:
        """The layout of the checkout that this module belongs to."""
        return cls(root=Path(__file__).resolve().parents[2])

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
    """The loopback ports of one local stack. `companion` are those of the example beside it: its Lambda endpoint, its
    REST API, its HTTP API; none, and the stack is alone."""

    verifier: int
    guarded: int
    aws: int
    functions: int
    companion: tuple[int, ...] = ()

    @classmethod
    def from_environment(cls) -> Ports:
        """Seven ports in a row from `BONAFIDE_PORT` (default 8700).

        Raises:
            LocalStackError: when the variable is not a usable port number.
        """
        text = os.environ.get("BONAFIDE_PORT", str(DEFAULT_PORT))
        if not text.isdigit() or not 1024 <= int(text) <= 65529:
            raise LocalStackError(f"BONAFIDE_PORT is {text!r}: give a port number between 1024 and 65529.")
        first = int(text)
        verifier, guarded, aws, functions, *companion = range(first, first + 7)
        return cls(verifier, guarded, aws, functions, tuple(companion))

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody uses at this moment; for tests, which run side by side."""
        verifier, guarded, aws, functions, *companion = free_ports(7)
        return cls(verifier, guarded, aws, functions, tuple(companion))

    def require_free(self) -> None:
        """Make sure that nobody listens on any of them.

        Raises:
            LocalStackError: names the first taken port.
        """
        for port in (self.verifier, self.guarded, self.aws, self.functions, *self.companion):
            if not is_free(port):
                raise LocalStackError(
                    f"Port {port} on {LOOPBACK} is taken: stop what uses it, or choose another with BONAFIDE_PORT."
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
