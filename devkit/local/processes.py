"""Child processes that never outlive their parent, however the parent ends.

Each child leads its own session, so a Ctrl-C in the terminal reaches only the parent, which then stops its children
in order. For the case that the parent itself is killed, a small reaper process holds the other end of a pipe
(`devkit.local.process_reaper`). Linux's PR_SET_PDEATHSIG is no substitute: it fires when the *thread* that forked
ends, and
ours fork from request threads.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from devkit.local import process_reaper as reaper


class Children:
    """All child processes of this process. Stops them at exit; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reaper: subprocess.Popen[str] | None = None
        self._alive: dict[int, subprocess.Popen[bytes]] = {}

    def start(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a child with exactly this environment, output appended to `log` unless `stdout` says otherwise."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            child = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment),
                cwd=folder,
                stdin=stdin,
                stdout=sink if stdout is None else stdout,
                stderr=sink,
                start_new_session=True,
            )
        with self._lock:
            self._alive[child.pid] = child
            self._tell(f"+{child.pid}")
        return child

    def stop(self, *children: subprocess.Popen[bytes], grace: float = reaper.GRACE) -> None:
        """End the children and everything they started; returns when they are gone."""
        leaders = {child.pid for child in children}
        reaper.end_sessions(leaders, grace)
        for child in children:
            child.wait()
        with self._lock:
            for child in children:
                if self._alive.pop(child.pid, None) is not None:
                    self._tell(f"-{child.pid}")

    def stop_all(self) -> None:
        """End every child that is left."""
        with self._lock:
            children = list(self._alive.values())
        if children:
            self.stop(*children)

    def _tell(self, line: str) -> None:
        if self._reaper is None:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", reaper.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
            atexit.register(self.stop_all)
        stdin = self._reaper.stdin
        if stdin is not None:
            stdin.write(line + "\n")
            stdin.flush()


CHILDREN = Children()
"""The children of this process."""
