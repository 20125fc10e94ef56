"""A pytest plugin that notes, for each test, which functions of the mutated modules it ran.

``python -m tests.mutants.functions_run FILE PYTEST-ARGUMENTS``: run the tests once, and write what was seen to FILE.
Calls are traced, not lines: that costs little, and a mutant's tests are then those that run its function.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest

_CALLS: Final = 300_000
"""Calls of one test that are looked at: a test that makes millions has run its functions by then."""
_MARKED: Final = "not exhaustive and not deploy and not stack and not ministack"
_UNDER: Final = (
    "layers/tokens/src/bonafide_tokens/",
    "layers/attestation/src/attestation/",
    "functions/authorize_request/",
)


class FunctionsRun:
    """``tests`` maps a test's name to its seconds and to the functions it ran, as ``path:first line``."""

    def __init__(self, root: Path) -> None:
        self._prefix = f"{root}/"
        self._names: dict[CodeType, str | None] = {}
        self._now: set[str] = set()
        self._left = _CALLS
        self._failed: set[str] = set()
        self.tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Set-up counts: a fixture that breaks fails the test as well."""
        self._now, self._left = set(), _CALLS
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.tests.setdefault(item.nodeid, {"seconds": 0.0})["ran"] = sorted(self._now)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Seconds; and tests that fail, or are skipped, without any mutant tell nothing about one."""
        test = self.tests.setdefault(report.nodeid, {"seconds": 0.0})
        test["seconds"] += report.duration
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def record(self) -> dict[str, Any]:
        """What was seen, and which modules from elsewhere were imported, so that a run need not import them again."""
        passed = {name: test for name, test in self.tests.items() if name not in self._failed and test.get("ran")}
        return {"tests": passed, "imported": sorted(self._foreign_modules())}

    def _trace(self, frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG002
        self._left -= 1
        if self._left < 0:
            sys.settrace(None)
            return
        code = frame.f_code
        if code not in self._names:
            path = code.co_filename.removeprefix(self._prefix)
            self._names[code] = f"{path}:{code.co_firstlineno}" if path.startswith(_UNDER) else None
        name = self._names[code]
        if name is not None:
            self._now.add(name)

    def _foreign_modules(self) -> Iterator[str]:
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) or ""
            if path and not path.startswith(self._prefix) and not name.startswith(("tests", "__")):
                yield name


def main() -> int:
    """Run, and write."""
    plugin = FunctionsRun(Path.cwd())
    pytest.main(
        ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", _MARKED, *sys.argv[2:]], plugins=[plugin]
    )
    Path(sys.argv[1]).write_text(json.dumps(plugin.record()), "utf-8")
    return 0 if plugin.tests else 1


if __name__ == "__main__":
    sys.exit(main())
