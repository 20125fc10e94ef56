"""When people use an app: a curve over the day and the week, in local time, with weather of its own.

The curve is assumed, as none was published that we may use: few requests at night, most in the evening, fewer at
weekends. What does not depend on its shape is what matters here: a factor of about ten between night and evening, and
counts that vary more than a Poisson process' would (*overdispersed*: each quarter of an hour has a factor of its own,
which its neighbours share in part).
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Collection
from typing import Final

QUARTER: Final = 900
DAY: Final = 86_400
WEEK: Final = 7 * DAY

_HOURS: Final = (
    0.30, 0.18, 0.12, 0.10, 0.12, 0.25, 0.60, 1.00, 1.15, 1.05, 1.00, 1.10,
    1.30, 1.20, 1.05, 1.05, 1.15, 1.35, 1.55, 1.70, 1.75, 1.60, 1.20, 0.65,
)  # fmt: skip
_DAYS: Final = (1.0, 1.0, 1.0, 1.02, 1.10, 0.95, 0.88)  # Monday first
HOLIDAY: Final = 0.6
"""What is left of an ordinary day's use on a holiday, with the hours of a Sunday shifted later (assumed)."""
_WEATHER: Final = 0.10
"""Standard deviation of the logarithm of the factor of one quarter of an hour."""
_MEMORY: Final = 0.8


def weather(chance: random.Random, quarters: int) -> list[float]:
    """A factor around 1 for each quarter of an hour: a process that remembers, as what people do together does."""
    factors, state = [], chance.gauss(0, _WEATHER)
    for _ in range(quarters):
        factors.append(math.exp(state - _WEATHER**2 / 2))
        state = _MEMORY * state + chance.gauss(0, _WEATHER * math.sqrt(1 - _MEMORY**2))
    return factors


def use_at(at: float, offset: float, holidays: Collection[int] = ()) -> float:
    """How much is used at a moment (Unix seconds) at ``offset`` hours from UTC, as a multiple of an average hour's.
    ``holidays`` are days since 1970."""
    local = at + offset * 3600
    day, hour = int(local // DAY), local % DAY / 3600
    late = 1.5 if day in holidays else 0.0
    first = int(hour - late) % 24
    share = (hour - late) % 1.0
    curve = _HOURS[first] * (1 - share) + _HOURS[(first + 1) % 24] * share
    weekday = (day + 3) % 7  # the first of January 1970 was a Thursday
    return curve * _DAYS[weekday] * (HOLIDAY if day in holidays else 1.0)


class Rhythm:
    """The use over a window: from a moment and a wait in units of average use to the moment after it."""

    __slots__ = ("_end", "_start", "_sums", "_total", "_uses")

    def __init__(self, start: float, factors: list[float], offset: float, holidays: Collection[int] = ()) -> None:
        self._start = start
        self._uses = [
            max(0.01, use_at(start + (number + 0.5) * QUARTER, offset, holidays) * factor)
            for number, factor in enumerate(factors)
        ]
        self._sums = [0.0]
        for use in self._uses:
            self._sums.append(self._sums[-1] + use * QUARTER)
        self._total = self._sums[-1]
        self._end = start + len(factors) * QUARTER

    def after(self, at: float, wait: float) -> float:
        """The moment by which ``wait`` seconds of average use have passed since ``at``; infinity beyond the window."""
        number = int((at - self._start) // QUARTER)
        if not 0 <= number < len(self._uses):
            return math.inf
        goal = self._sums[number] + (at - self._start - number * QUARTER) * self._uses[number] + wait
        if goal >= self._total:
            return math.inf
        found = bisect_right(self._sums, goal) - 1
        return self._start + found * QUARTER + (goal - self._sums[found]) / self._uses[found]
