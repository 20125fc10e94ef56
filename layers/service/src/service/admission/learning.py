"""From tallies to accounts: the demand is learnt from what is counted anyway, when its lines are counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from service.admission.accounts import AccountRow, Accounts, DamagedAccounts
from service.admission.queue import WINDOW, Seen, move_on
from service.errors import Reason
from service.tallies.rows import UNKNOWN_APP, Tallies, TallyRow, Why
from service.telemetry.decisions import log_unavailable, measure_waiting_installs

SETTLED: Final = 8
"""Seconds after a window's end from which on it is taken to be counted. A line that comes later is missing, here."""

_FORGOTTEN: Final = 60
"""Windows after which a stack where nothing was counted begins anew."""

LOOKED_FOR: Final = 50
"""Registered apps of which nothing is known that are looked for at a time: each costs two queries."""

_STEP: Final = 2
_ASKED: Final = Why("issued", "")
_REFUSED: Final = Why("refused", Reason.ENROLMENT_PACED.value)


@dataclass(slots=True)
class Learning:
    """Moves the accounts on, window after window. ``pace`` is enrolments a second, of the whole stack.

    ``registered`` says, at a time, which apps there are. Some that have no account are looked for each time, all of
    them in turn: one whose lines other deliveries bring must not wait behind names that strangers invent.
    """

    tallies: Tallies
    row: AccountRow
    pace: float
    registered: Callable[[float], Sequence[str]] = lambda _now: ()
    _due_at: float = 0.0

    def learn(self, apps: Iterable[str], now: float) -> None:
        """Account for what was counted in windows that are over. ``apps`` are those of which lines came just now.

        Raises :class:`~service.errors.Unavailable`.
        """
        if now < self._due_at:
            return
        newest = int((now - SETTLED) // WINDOW) - 1
        accounts = self._found()
        if accounts is None or not 0 < newest - accounts.window <= _FORGOTTEN:
            if accounts is not None and 0 <= accounts.window - newest <= _FORGOTTEN:
                self._due_at = (accounts.window + 2) * WINDOW + SETTLED
                return
            accounts = Accounts(newest - 1, {}, "" if accounts is None else accounts.revision)
        known = {*apps, *accounts.queues}
        others = sorted({*self.registered(now)} - known)
        first = newest * LOOKED_FOR % len(others) if others else 0
        known = {*known, *(others[first:] + others[:first])[:LOOKED_FOR]} - {UNKNOWN_APP}
        seen = self._seen(sorted(known), accounts.window + 1, newest)
        queues = dict(accounts.queues)
        for window in range(accounts.window + 1, newest + 1):
            queues = move_on(queues, seen[window], pace=self.pace)
        self._due_at = (newest + 2) * WINDOW + SETTLED
        if self.row.replace_accounts(Accounts(newest, queues, accounts.revision)):
            measure_waiting_installs(sum(queue.waiting for queue in queues.values()))

    def _found(self) -> Accounts | None:
        """The accounts as they were written last, none of which is known where they are damaged."""
        try:
            return self.row.find_accounts()
        except DamagedAccounts as error:
            log_unavailable(error.what)
            return Accounts(0, {}, error.revision)

    def _seen(self, apps: list[str], first: int, last: int) -> dict[int, dict[str, Seen]]:
        """What was counted, by window and app."""
        found: dict[int, dict[str, Seen]] = defaultdict(dict)
        for app in apps:
            rows = self.tallies.rows(
                app, ("challenge", "enrol"), step=_STEP, since=first * WINDOW, until=(last + 1) * WINDOW
            )
            for row in rows:
                of_window = found[row.at // WINDOW]
                of_window[app] = _with(of_window.get(app, Seen()), row)
        return found


def _with(seen: Seen, row: TallyRow) -> Seen:
    if row.source == "enrol":
        return seen._replace(enrolled=seen.enrolled + row.by_outcome().get("accepted", 0))
    counted = row.by_why()
    refused = counted.get(_REFUSED, 0)
    return seen._replace(
        asked=seen.asked + counted.get(_ASKED, 0) + refused,
        refused=seen.refused + refused,
        processes=max(seen.processes, row.processes),
    )
