"""Enrolments as the service paces them: its own pure code, window after window, over the counts of a simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from service.admission.queue import AHEAD, WINDOW, Queue, Seen, move_on
from service.admission.status import Admission as Status
from service.admission.status import unknown

from devkit.simulation.region.stack import Asked, Wait

_APP = "app"


@dataclass(slots=True)
class PacedEnrolments:
    """:class:`~devkit.simulation.region.stack.Admission` for a stack's ``pace``, in enrolments a second.

    What a process has of the account is as old as the module says (:data:`AHEAD` windows). Of the processes, all are
    asked evenly.
    """

    pace: float
    _queues: dict[str, Queue] = field(default_factory=dict)
    _status: dict[int, Status] = field(default_factory=dict)
    _window: int | None = None
    _asked: float = 0.0
    _refused: float = 0.0
    _enrolled: float = 0.0
    _processes: float = 1.0

    def admitted(self, asked: Asked) -> tuple[float, Wait]:
        """See there."""
        window = int(asked.now // WINDOW)
        self._move_on(window)
        status = self._status.get(window, unknown(self.pace))
        everyone = asked.phones + asked.strangers
        most = status.share * asked.processes * asked.seconds
        allowed = min(everyone * status.admit, most)
        self._asked += everyone
        self._refused += everyone - allowed
        self._processes = max(self._processes, asked.processes)
        share = allowed / everyone if everyone > 0 else 1.0
        return asked.phones * share, Wait(float(status.soonest), float(status.latest))

    def enrolled(self, count: float) -> None:
        """See there."""
        self._enrolled += count

    def _move_on(self, window: int) -> None:
        """Account for the windows that are over."""
        if self._window is None:
            self._window = window
        while self._window < window:
            processes = math.ceil(self._processes)
            seen = Seen(int(self._asked), int(self._refused), int(self._enrolled), processes)
            self._queues = move_on(self._queues, {_APP: seen}, pace=self.pace)
            if _APP in self._queues:
                self._status[self._window + AHEAD] = self._queues[_APP].status
            self._status.pop(window - 1, None)
            # What is left of one goes into the next window's count.
            self._asked -= seen.asked
            self._refused -= seen.refused
            self._enrolled -= seen.enrolled
            self._processes = 1.0
            self._window += 1
