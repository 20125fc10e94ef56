"""``python -m tests.tallies``: a million decisions through everything that counts, compared with what was sent."""

from __future__ import annotations

import sys

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

from devkit.local.aws import running_ministack  # isort: skip
from tests.tallies.counting import run  # isort: skip
from tests.tallies.decisions import Processes  # isort: skip

DECISIONS = 1_000_000
__all__ = ["ROOT"]


def main() -> int:
    """Print the table; 0 if nothing differs."""
    with running_ministack() as url:
        result = run(url, Processes(number=40, seconds=40, decisions=DECISIONS))
    print(result.table())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
