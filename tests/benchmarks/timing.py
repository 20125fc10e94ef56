"""Medians of interleaved timings: every row is timed once per round, so a busy moment hits all rows alike.

What is measured is the processor time of this process: nothing here waits, and a machine that is shared would
otherwise be timed along with the code.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

from tests.benchmarks.extent import SHORT

Call = Callable[[], object]


def medians(
    rows: Mapping[str, Call], *, rounds: int = 3 if SHORT else 25, seconds_per_row: float = 0.003 if SHORT else 0.03
) -> dict[str, float]:
    """Median processor time of one call of each row, in microseconds, over ``rounds`` rounds.

    Within a round each row runs for about ``seconds_per_row``.
    """
    calls = {name: max(1, int(seconds_per_row / _once(call))) for name, call in rows.items()}
    timings: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, call in rows.items():
            started = time.process_time()
            for _ in range(calls[name]):
                call()
            timings[name].append((time.process_time() - started) / calls[name] * 1e6)
    return {name: statistics.median(values) for name, values in timings.items()}


def _once(call: Call) -> float:
    call()
    started = time.process_time()
    call()
    return max(time.process_time() - started, 1e-7)
