"""One mutant against its tests: in a copy of the tree, in a process that is forked after the libraries are imported."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.relevant_tests import RelevantTests


class Outcome(StrEnum):
    """What became of a mutant. Only ``alive`` is a finding."""

    KILLED = "killed"
    TIMED_OUT = "timed out"
    ALIVE = "alive"
    NO_TEST = "no test"
    UNTRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``by`` is the test that failed first."""

    outcome: Outcome
    by: str = ""
    seconds: float = 0.0


class _Chosen:
    """A pytest plugin: only the named tests, in their order; the name of the first that fails goes to a pipe."""

    def __init__(self, names: list[str], pipe: int) -> None:
        self._order = {name: at for at, name in enumerate(names)}
        self._pipe = pipe

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((i for i in items if i.nodeid in self._order), key=lambda item: self._order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode("utf-8")[:4000])


@dataclass(frozen=True, slots=True)
class Laboratory:
    """``tree`` is a copy of the project that nothing else uses."""

    tree: Path
    tests: RelevantTests

    def prepare(self, modules: list[str]) -> None:
        """Import what does not belong to the project, once, for all children."""
        sys.dont_write_bytecode = True
        for name in modules:
            with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
                importlib.import_module(name)

    def judge(self, mutant: Mutant) -> Verdict:
        """Show the mutant to its tests, stage by stage, until one fails."""
        begin = time.monotonic()
        stages = self.tests.stages(mutant)
        verdict = Verdict(Outcome.ALIVE if stages else Outcome.NO_TEST)
        with in_place(self.tree, mutant):
            for names in stages:
                verdict = self._run(names)
                if verdict.outcome is not Outcome.ALIVE:
                    break
        return Verdict(verdict.outcome, verdict.by, round(time.monotonic() - begin, 1))

    def _run(self, names: list[str]) -> Verdict:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_tested(names, writing)
        os.close(writing)
        code = _wait(child, 20 + 6 * self.tests.seconds(names))
        with os.fdopen(reading, "rb") as pipe:
            failed = pipe.read().decode("utf-8", "replace")
        if code is None:
            return Verdict(Outcome.TIMED_OUT)
        # Pytest ends with 0 where all passed, and with 5 where a module that cannot be imported left no test.
        return Verdict(Outcome.ALIVE) if code == 0 else Verdict(Outcome.KILLED, failed or "import")

    def _be_tested(self, names: list[str], pipe: int) -> None:
        code = 70
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            os.chdir(self.tree)
            files = sorted({name.split("::")[0] for name in names})
            arguments = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--disable-warnings"]
            code = int(pytest.main([*arguments, "--rootdir", str(self.tree), *files], plugins=[_Chosen(names, pipe)]))
        finally:
            os._exit(code)


@contextlib.contextmanager
def in_place(tree: Path, mutant: Mutant) -> Iterator[None]:
    """The mutant instead of its original, on disk."""
    path = tree / mutant.path
    original, stat = path.read_bytes(), path.stat()
    path.write_text(mutant.source, "utf-8")
    os.utime(path, (stat.st_atime, stat.st_mtime + 1000))  # or Python would take the original's bytecode
    try:
        yield
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def told(mutant: Mutant, verdict: Verdict) -> None:
    """Print a mutant that lives."""
    if verdict.outcome in (Outcome.ALIVE, Outcome.NO_TEST):
        print(f"{verdict.outcome}: {mutant.path}:{mutant.line} {mutant.operator}")
        print(f"    - {mutant.was}\n    + {mutant.now}", flush=True)


def _wait(child: int, seconds: float) -> int | None:
    """The child's exit code; ``None`` after that many seconds, when it and what it started are ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
