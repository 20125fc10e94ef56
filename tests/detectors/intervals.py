"""95 % intervals: of shares (Wilson 1927), and of medians by resampling whole runs (bootstrap)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import median

_Z = 1.959964


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The interval of a share of ``hits`` in ``of``."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z / of
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / of + square / of / 4) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def resampled(runs: Sequence[Sequence[float]], seed: int = 1, times: int = 1_000) -> tuple[float, float, float]:
    """The median of all values, and its interval when whole runs are drawn again: values of one run are not
    independent. All NaN without values."""
    chance = random.Random(seed)
    medians = sorted(
        median(values)
        for _ in range(times)
        if (values := [value for run in chance.choices(runs, k=len(runs)) for value in run])
    )
    if not medians:
        return math.nan, math.nan, math.nan
    middle = median(value for run in runs for value in run)
    return middle, medians[len(medians) // 40], medians[-1 - len(medians) // 40]


def resampled_share(runs: Sequence[tuple[int, int]], seed: int = 1, times: int = 1_000) -> tuple[float, float]:
    """The interval of the share of hits in all runs, (hits, of) each, when whole runs are drawn again."""
    chance = random.Random(seed)
    shares = sorted(
        sum(hits for hits, _ in drawn) / max(1, sum(of for _, of in drawn))
        for drawn in (chance.choices(runs, k=len(runs)) for _ in range(times))
    )
    return shares[len(shares) // 40], shares[-1 - len(shares) // 40]
