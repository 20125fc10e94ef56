"""How often an install may call the verifier: against a client that is wrong, for the stack and for the battery."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple


class Window(NamedTuple):
    """At most ``most`` calls in any ``seconds``."""

    most: int
    seconds: float


CALLS: Final = (Window(10, 60.0), Window(60, 3600.0))
"""Of challenges, attestations and renewals together, each send counted, by a clock that is never set. Where tokens are
short there are more in an hour: :func:`calls_windows`."""

_CALLS_A_TOKEN: Final = 5
"""A renewal whose challenge had ended is three calls, and the earliest renewals come at 70 % of each life."""

ATTESTATIONS: Final = (Window(3, 3600.0), Window(10, 86_400.0))
"""Of enrolments begun, the same bytes counted once; by the wall clock, as they are kept across restarts."""


def calls_windows(expires_in: int) -> tuple[Window, ...]:
    """:data:`CALLS` for tokens that live ``expires_in`` seconds: an install in steady use must not run out."""
    minute, hour = CALLS
    return minute, Window(max(hour.most, math.ceil(_CALLS_A_TOKEN * hour.seconds / expires_in)), hour.seconds)


class Budget:
    """What was spent, under ``windows``. ``spent_at`` are times of before, in seconds of the clock that ``now`` is of.

    A time ahead of ``now`` by less than a window counts as spent in it, for the clock may have been set back a little;
    one that is further ahead would lock the install out until then, and is forgotten.
    """

    def __init__(self, windows: Sequence[Window], spent_at: Iterable[float] = ()) -> None:
        self._windows = windows
        self._spent = sorted(spent_at)

    def bound(self, windows: Sequence[Window]) -> None:
        """Take other windows from now on."""
        self._windows = windows

    @property
    def spent_at(self) -> tuple[float, ...]:
        """What is to be kept, oldest first."""
        return tuple(self._spent)

    def wait(self, now: float) -> float:
        """Seconds until one more may be spent; 0 where one may be now."""
        longest = 0.0
        for most, seconds in self._windows:
            inside = [at for at in self._spent if abs(now - at) < seconds]
            if len(inside) >= most:
                longest = max(longest, inside[-most] + seconds - now)
        return longest

    def spend(self, now: float) -> bool:
        """Spend one, where one may be; whether it was."""
        if self.wait(now) > 0:
            return False
        longest = max(window.seconds for window in self._windows)
        self._spent = sorted([at for at in self._spent if abs(now - at) < longest] + [now])
        return True
