"""``python -m tests.funnel``: a thousand devices of which 8 % cannot attest, and 100,000 forged reports; a table each.

Exit code 1 when a share is off by more than half a point, or when a flood writes more than it may.
"""

from __future__ import annotations

import sys
import time

import tests.benchmarks.extent  # noqa: F401 - first: it makes the functions importable
from tests.funnel.counting import kept, listening
from tests.funnel.fleet import A_THOUSAND, Fleet
from tests.funnel.forged import show_forged_reports
from tests.funnel.shown import MOST_POINTS_OFF, compared
from tests.service_stack.memory_stack import MemoryStack


def main() -> int:
    """Both; 0 if they are as they should be."""
    return 0 if _a_thousand() & show_forged_reports(100_000) else 1


def _a_thousand() -> bool:
    began = time.perf_counter()
    with listening() as written:
        stack = MemoryStack()
        since = stack.now
        Fleet(stack, A_THOUSAND).live()
    table = kept(written.lines, step=60, since=since, until=stack.now)
    answer, found = compared(table.rows, A_THOUSAND)
    print(f"{A_THOUSAND.devices} software devices, {time.perf_counter() - began:.0f} s")
    print(f"{'':28}{'is':>8}{'shown':>8}{'off':>8}   % of the devices, and points")
    for one in found:
        print(f"{one.what:28}{one.wanted:8.2f}{one.shown:8.2f}{one.points_off:8.2f}")
    print()
    for step in answer["steps"]:
        estimate = f"± {100 * step['error']:.1f} %" if step["error"] else ""
        print(f"{step['step']:28}{step['count']:8}{100 * step['share']:7.1f} %  {step['of']} {estimate}")
    print(f"{len(written.lines)} tally lines, {table.items} rows\n")
    return all(one.points_off <= MOST_POINTS_OFF for one in found)


if __name__ == "__main__":
    sys.exit(main())
