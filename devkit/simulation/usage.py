"""How phones are used: what the simulator assumes of people, since nothing here can measure it.

Every number is an argument; the report prints them. Times between two uses and lengths of uses are exponential, so a
population is described by how many phones are in use, and each phone can be drawn alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Uses a day and phone, their mean seconds, guarded calls while in use, and how uneven a day is.

    All phones live in one time zone, which is the worst case: the busiest hour has ``1 + swing`` times the mean.
    The shares of platforms say what enrolments and renewals cost.
    """

    uses_a_day: float = 12.0
    use_seconds: float = 600.0
    call_every: float = 15.0
    swing: float = 0.7
    busiest_hour: float = 20.0
    ios: float = 0.45
    android: float = 0.30
    android_play: float = 0.15
    harmony: float = 0.10

    def wakes_a_second(self, at: float) -> float:
        """Uses that begin, a second and phone that is not in use, at ``at`` seconds of the day."""
        swing = 1.0 + self.swing * math.cos(2.0 * math.pi * (at / 3600.0 - self.busiest_hour) / 24.0)
        idle = 1.0 - self.uses_a_day * self.use_seconds / DAY
        return self.uses_a_day / DAY / idle * swing

    def in_use(self, at: float) -> float:
        """The share of phones that are in use at ``at``, were that hour to last."""
        wakes, ends = self.wakes_a_second(at), 1.0 / self.use_seconds
        return wakes / (wakes + ends)
