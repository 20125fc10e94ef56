"""Pacing at ``POST /v1/challenges``: what one process knows, and what it tells an app."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from service.admission.accounts import AccountRow, Accounts
from service.admission.status import Admission, LocalShare, comes_back_after, later, unknown
from service.remembered import Remembered

FRESH: Final = 5.0
"""Seconds for which a process goes by what it read; then it reads again, beside requests."""

OLDEST: Final = 60.0
"""Seconds after the end of a window from which on its account says nothing about now."""

# From the system: processes restored from one SnapStart snapshot would all draw the same numbers from Python's own.
_CHANCE: Final = random.SystemRandom()


@dataclass(slots=True)
class Pacing:
    """Decides for one process. ``known`` says, at a time, what is at hand of the accounts, ``pace`` is enrolments a
    second, of the whole stack, ``draw`` draws from [0, 1), ``steady`` is a clock that is never set. What is not known
    refuses no app but by the process's share of the pace: pacing protects the stack, and no security hangs on it."""

    known: Callable[[float], Accounts | None]
    pace: float
    draw: Callable[[], float] = _CHANCE.random
    steady: Callable[[], float] = time.monotonic
    _shares: dict[str, LocalShare] = field(default_factory=dict, init=False, repr=False)
    _others: LocalShare = field(default_factory=LocalShare, init=False, repr=False)

    @classmethod
    def of_row(cls, row: AccountRow, pace: float) -> Self:
        """By what is read of ``row`` in the background, every few seconds."""
        known = Remembered[Accounts | None](
            read=lambda _before, _now: row.find_accounts(), fresh=FRESH, first=float("inf")
        )
        return cls(known.at_hand, pace)

    def comes_back_after(self, app: str, now: float) -> int | None:
        """``None`` for an app that may have a challenge now, else after how many seconds it shall come back."""
        status, share = self._of(app, now)
        wait = comes_back_after(status, self.draw())
        if wait is None and not share.take(status.share, self.steady()):
            wait = later(status, self.draw())
        return wait

    def _of(self, app: str, now: float) -> tuple[Admission, LocalShare]:
        """How things are for ``app``, and of which share it takes: those that are not known share one, so that
        invented names are worth none of their own."""
        accounts = self.known(now)
        if accounts is None or accounts.age(now) > OLDEST or app not in accounts.queues:
            return unknown(self.pace), self._others
        if len(self._shares) > len(accounts.queues):
            self._shares = {name: share for name, share in self._shares.items() if name in accounts.queues}
        return accounts.queues[app].status, self._shares.setdefault(app, LocalShare())
