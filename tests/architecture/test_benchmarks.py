"""Every benchmark can be run as its page says: alone, in a fresh process, with nothing on the path but the folder."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.architecture.source_tree import ROOT
from tests.benchmarks.extent import budget

BENCHMARKS = sorted(path.stem for path in (ROOT / "tests" / "benchmarks").glob("*_*.py") if "peer" not in path.stem)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_finds_what_it_measures(name: str) -> None:
    """`make bench` ended with a traceback where a new function was not on its path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", f"import tests.benchmarks.{name}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_budget_that_is_missed_is_marked() -> None:
    """A reader of the table need not compare numbers."""
    assert budget("≤ 50 µs", 50.0, 50.0) == "≤ 50 µs"
    assert budget("≤ 50 µs", 50.1, 50.0) == "≤ 50 µs  over"
