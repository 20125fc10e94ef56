"""Mutants in one process that has collected the tests already: a fork for each, its functions' code exchanged there.

Pytest's own loop is replaced by ours. A child's tests run on the collected items, so their fixtures are set up in it
alone. Each test has its own time: the alarm ends a child that hangs, wherever it does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.relevant_tests import RelevantTests
from tests.mutants.results import Result, Results
from tests.mutants.swapped_code import NotSwappable, Swap
from tests.mutants.trial import Outcome, Verdict, in_place, told

_NOT_SWAPPED: Final = 77
_OPTIONS: Final = ("-q", "-s", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--disable-warnings", "--no-summary")


@dataclass(slots=True)
class WarmTrial:
    """A pytest plugin. ``swaps`` are the mutants to try, and what to exchange for each."""

    tree: Path
    tests: RelevantTests
    results: Results
    swaps: list[tuple[Mutant, Swap]]
    _imported: set[tuple[str, int]] = field(default_factory=set)

    def run(self) -> None:
        """Try all, in a child: what it imports would be in the way of trials that import a mutant."""
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.chdir(self.tree)
                files = sorted({name.split("::")[0] for name in self.tests.tests})
                sys.settrace(self._trace)  # what runs at import is not run again by an exchange
                code = int(pytest.main([*_OPTIONS, "--rootdir", str(self.tree), *files], plugins=[self]))
            finally:
                sys.stdout.flush()
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status not in (0, 5):
            raise RuntimeError(f"the tests could not be collected ({status})")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests: a child for each mutant, which runs its own."""
        sys.settrace(None)
        items = {item.nodeid: item for item in session.items}
        if self._judge([items[name] for name in sorted(items) if name in self.tests.tests][:50], None) is not None:
            raise RuntimeError("tests fail without any mutant")
        for mutant, swap in self.swaps:
            begin = time.monotonic()
            names = [name for stage in self.tests.stages(mutant) for name in stage]
            with in_place(self.tree, mutant):  # for what starts a process of its own, or imports in a test
                verdict = self._judge([items[name] for name in names if name in items], swap)
            if verdict is None and not {(str(swap.path), line) for line in swap.first_lines} & self._imported:
                verdict = Verdict(Outcome.ALIVE if names else Outcome.NO_TEST)
            if verdict is not None and verdict.outcome is not Outcome.NO_TEST:
                seconds = round(time.monotonic() - begin, 1)
                self.results.add(Result.of(mutant, Verdict(verdict.outcome, verdict.by, seconds)))
                told(mutant, verdict)
        return True

    def _judge(self, items: list[pytest.Item], swap: Swap | None) -> Verdict | None:
        """``None`` where no test failed, or where the mutant cannot be had by an exchange."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_tested(items, swap, writing)
        os.close(writing)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what it started
        with os.fdopen(reading, "rb") as pipe:
            failed = pipe.read().decode("utf-8", "replace")
        if status == -signal.SIGALRM:
            return Verdict(Outcome.TIMED_OUT)
        if status in (0, _NOT_SWAPPED):
            return None
        return Verdict(Outcome.KILLED, failed or f"status {status}")

    def _be_tested(self, items: list[pytest.Item], swap: Swap | None, pipe: int) -> None:
        code = 70
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nowhere, stream)
            if swap is not None:
                swap.make()
            code = 0
            for item, following in zip(items, [*items[1:], None], strict=True):
                signal.alarm(15 + round(6 * self.tests.seconds([item.nodeid])))
                noted = _Failures()
                item.config.pluginmanager.register(noted)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                item.config.pluginmanager.unregister(noted)
                if noted.failed:
                    os.write(pipe, item.nodeid.encode("utf-8")[:4000])
                    code = 1
                    break
        except NotSwappable:
            code = _NOT_SWAPPED
        finally:
            os._exit(code)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> None:  # noqa: ARG002
        self._imported.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))


class _Failures:
    """Whether a test's set-up, call or teardown failed."""

    def __init__(self) -> None:
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed


def swappable(mutants: list[Mutant], tree: Path) -> Iterator[tuple[Mutant, Swap]]:
    """Those of the mutants that an exchange of code can show."""
    for mutant in mutants:
        path = tree / mutant.path
        with contextlib.suppress(NotSwappable):
            yield mutant, Swap.between(path, path.read_text("utf-8"), mutant.source)
