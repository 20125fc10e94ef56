"""The arithmetic of budgets: windows of time, and one allowance cut into shares that sum up to it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from math import ceil
from typing import Final, NamedTuple

MOST_SHARDS: Final = 8


@unique
class Window(StrEnum):
    """How long a budget is for; windows begin at whole minutes, hours, days and months of UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def around(self, now: float) -> tuple[int, int]:
        """Begin and end of the window that ``now`` is in, Unix seconds."""
        if self is not Window.MONTH:
            length = {Window.MINUTE: 60, Window.HOUR: 3600, Window.DAY: 86_400}[self]
            begin = int(now // length) * length
            return begin, begin + length
        day = datetime.fromtimestamp(now, UTC)
        year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()), int(
            datetime(year, month, 1, tzinfo=UTC).timestamp()
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one window allows: requests, and units (tokens or millionths of a dollar) where they are budgeted."""

    window: Window
    requests: int
    units: int | None = None

    def shares(self, most_units: int) -> tuple[Share, ...]:
        """The allowance in as many shares as make sense: one counter alone takes a thousand writes a second, and a
        share must hold at least the largest call, ``most_units``. Their sum is the allowance, to the unit."""
        shards = min(MOST_SHARDS, self.requests)
        if self.units is not None:
            # Of the shards together, at most half of the units may lie in remainders too small for a call.
            shards = max(1, min(shards, self.units // max(1, 2 * most_units)))
        return tuple(
            Share(_part(self.requests, shards, n), None if self.units is None else _part(self.units, shards, n))
            for n in range(shards)
        )

    def retry_after(self, now: float) -> int:
        """Seconds until the next window."""
        return max(1, ceil(self.window.around(now)[1] - now))


class Share(NamedTuple):
    """A part of an allowance."""

    requests: int
    units: int | None


def _part(whole: int, parts: int, number: int) -> int:
    return whole // parts + (number < whole % parts)
