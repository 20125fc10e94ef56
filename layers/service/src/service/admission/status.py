"""Whether an app that asks for a challenge gets one now: decided by each process for itself, without a call.

After a release a million installs ask within an hour. Those that are over the stack's pace are told to come back,
before they have made evidence, each at a time of its own. All processes go by one :class:`Admission`, which
:mod:`service.admission.queue` makes of what was counted: the chance keeps their sum at the pace, whatever share of the
demand each of them meets, and :class:`LocalShare` bounds what a process admits while the demand grows faster than it is
counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SOONEST: Final = 5
LATEST: Final = 30
"""Seconds after which those come back that are refused while nothing is known of a queue."""

UNCOUNTED_PROCESSES: Final = 10
"""For how many processes the pace is divided while it is not known how many there are."""

BURST: Final = 2.0
"""Seconds of its share that a process may admit at once; one app at least."""


class Admission(NamedTuple):
    """How things stand for one app.

    ``admit`` (0 … 1) is the chance to be admitted at once; who is not comes back ``soonest`` to ``latest`` seconds
    later. ``share`` is the most that one process admits, a second.
    """

    admit: float
    soonest: int
    latest: int
    share: float


def unknown(pace: float) -> Admission:
    """How things stand where nothing is known: at the beginning, and when the counts are too old to go by.

    ``pace`` is that of the stack, in enrolments a second. None is refused but by the process's share of it.
    """
    return Admission(1.0, SOONEST, LATEST, pace / UNCOUNTED_PROCESSES)


def comes_back_after(status: Admission, draw: float) -> int | None:
    """``None`` for an app that is admitted; for one that is not, after how many seconds it shall come back.

    ``draw`` is an even one from [0, 1). It serves for both: given that it refuses, what is left of it is even again.
    """
    if draw < status.admit:
        return None
    return later(status, (draw - status.admit) / (1.0 - status.admit))


def later(status: Admission, draw: float) -> int:
    """After how many seconds an app shall come back that is not admitted."""
    return status.soonest + int(draw * max(0, status.latest - status.soonest + 1))


@dataclass(slots=True)
class LocalShare:
    """What one process has admitted of late. Safe to share between threads."""

    _level: float = 0.0
    _at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, share: float, now: float) -> bool:
        """Whether one more is within ``share`` a second. ``now`` is by a clock that is never set."""
        with self._lock:
            passed = max(0.0, now - self._at)
            self._at = max(now, self._at)
            self._level = max(0.0, self._level - passed * share)
            if self._level + 1.0 > max(1.0, share * BURST):
                return False
            self._level += 1.0
            return True
