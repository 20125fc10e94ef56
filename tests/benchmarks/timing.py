"""Medians of interleaved timings: every row is timed once per round, so a busy moment hits all rows alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Call = Callable[[], object]


def medians(rows: Mapping[str, Call], *, rounds: int = 25, seconds_per_row: float = 0.02) -> dict[str, float]:
    """Median microseconds of one call of each row, over ``rounds`` rounds of about ``seconds_per_row`` each."""
    calls = {name: max(1, int(seconds_per_row / _once(call))) for name, call in rows.items()}
    timings: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, call in rows.items():
            started = time.perf_counter()
            for _ in range(calls[name]):
                call()
            timings[name].append((time.perf_counter() - started) / calls[name] * 1e6)
    return {name: statistics.median(values) for name, values in timings.items()}


def _once(call: Call) -> float:
    call()
    started = time.perf_counter()
    call()
    return max(time.perf_counter() - started, 1e-7)
