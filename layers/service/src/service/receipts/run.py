"""One run over what is due: team by team, within a pace, and no longer than there is time.

=====================  ================================================================================================
Apple answers          what a run does
=====================  ================================================================================================
401 to the first       the token is wrong, or our clock: it stops, pauses the team, and the alarm rings
401 to a later one     that receipt is of another team: it is put off; ten of them stop the run
429                    it stops; pause by ``Retry-After``, or 30 s and twice as long each time
5xx, nothing at all    three in a row stop it; pause as above, a quarter of an hour at most
=====================  ================================================================================================

The receipts that were not asked about stay due, the longest due first.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from attestation.reference_values import AppleReferenceValues, Environment

from service.errors import Unavailable
from service.receipts.device_check import DeviceCheckKey
from service.receipts.exchange_one import LONGEST_PAUSE, Done, Reading
from service.receipts.pace import InFlight, Pace
from service.receipts.stored_receipt import Outcome, queues_of
from service.receipts.table import Due, Receipts
from service.telemetry.decisions import log_unavailable

FAULTS: Final = 3
STRAY: Final = 10
"""Receipts of another team that a run takes for what they are; with more, the key is wrong after all."""
FIRST_PAUSE: Final = 30.0
LONGEST_OUTAGE: Final = 900.0
LONGEST_REFUSAL: Final = 600.0
"""Short enough for a refusal in every quarter of an hour: the alarm rings as long as the key is wrong."""
RESERVE: Final = 9.0
"""Seconds of the run's time in which no question begins: for one that is open, and the writes after it."""
PAGE: Final = 25
LEASE: Final = 30.0
"""Seconds by which a lease outlasts the time of its run."""
_CHANCE: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Work:
    """What one team has in one environment: by app, what its receipts must say."""

    key: DeviceCheckKey
    environment: Environment
    apps: tuple[tuple[str, AppleReferenceValues], ...]

    @property
    def team(self) -> str:
        """The name of its lease."""
        return f"{self.key.team_id}/{self.environment.value}"


class OneReceipt(Protocol):
    """Deals with one receipt: :meth:`service.receipts.exchange_one.Exchange.one`."""

    def __call__(self, key_id: str, expected: AppleReferenceValues, team: DeviceCheckKey) -> Done: ...


@dataclass(slots=True)
class Report:
    """What a run did: how often each outcome, the metrics that it read, the age in seconds of what was longest due
    before, and teams that another process or a pause kept from it."""

    outcomes: Counter[str] = field(default_factory=Counter)
    readings: list[Reading] = field(default_factory=list)
    overdue: float = 0.0
    details: Counter[str] = field(default_factory=Counter)
    paused: list[str] = field(default_factory=list)

    def to_record(self) -> dict[str, object]:
        """JSON-ready; no key and no value in it."""
        return {
            "outcomes": dict(self.outcomes),
            "read": len(self.readings),
            "overdue": int(self.overdue),
            "details": dict(self.details.most_common(8)),
            "paused": list(self.paused),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``per_second`` questions begin for a team, ``in_flight`` are open at once, ``most`` in one run."""

    per_second: float
    in_flight: int
    most: int


@dataclass(slots=True, kw_only=True)
class Run:
    """One run. ``clock`` says the time (Unix seconds), ``left`` how many seconds the run has."""

    receipts: Receipts
    one: OneReceipt
    forget_token: Callable[[DeviceCheckKey], None]
    limits: Limits
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    left: Callable[[], float]
    report: Report = field(default_factory=Report)

    def over(self, works: Sequence[Work]) -> Report:
        """Deal with what is due of ``works``. Each gets its share of the time; every minute another is the first."""
        if works:
            first = int(self.clock() // 60) % len(works)
            turns = [*works[first:], *works[:first]]
            for index, work in enumerate(turns):
                share = (self.left() - RESERVE) / (len(turns) - index)
                if share <= 0:
                    break
                try:
                    self._team(work, share)
                except Unavailable as error:  # of this team; the next run goes on
                    log_unavailable(error.what)
                    self.report.outcomes["unavailable"] += 1
        return self.report

    def _team(self, work: Work, seconds: float) -> None:
        now = self.clock()
        due = self._first_page(work, now)
        self.report.overdue = max([self.report.overdue, *(now - one.due_at for _, page in due for one in page)])
        if not any(page for _, page in due):
            return
        lease = self.receipts.lease(work.team, now, seconds + LEASE)
        if lease is None:
            self.report.paused.append(work.team)
            return
        progress = _Progress(self.report)
        try:
            with InFlight[Done](self.limits.in_flight) as tasks:
                try:
                    self._ask(work, due, now + seconds, progress, tasks)
                finally:
                    progress.add(tasks.rest())
        finally:
            if progress.wrong_key:
                self.forget_token(work.key)
            pauses = lease.pauses + 1 if progress.stopped else 0
            pause = progress.pause(lease.pauses)
            if progress.stopped:
                self.report.paused.append(work.team)
            self.receipts.give_back(lease, paused_until=self.clock() + pause, pauses=pauses)

    def _ask(
        self,
        work: Work,
        due: list[tuple[AppleReferenceValues, Sequence[Due]]],
        until: float,
        progress: _Progress,
        tasks: InFlight[Done],
    ) -> None:
        pace = Pace(self.limits.per_second, self.clock, self.sleep)
        begun: set[str] = set()
        while True:
            fresh = [(expected, one.key_id) for expected, one in _in_turn(due) if one.key_id not in begun]
            for expected, key_id in fresh:
                if progress.stopped or len(begun) >= self.limits.most or self.clock() >= until:
                    return
                pace.wait()
                begun.add(key_id)
                progress.add(tasks.start(lambda key_id=key_id, expected=expected: self.one(key_id, expected, work.key)))  # type: ignore[misc]
            progress.add(tasks.rest())
            if not fresh or progress.stopped:
                return
            due = self._first_page(work, self.clock())

    def _first_page(self, work: Work, now: float) -> list[tuple[AppleReferenceValues, Sequence[Due]]]:
        return [
            (expected, self.receipts.due(queue, now, PAGE))
            for app, expected in work.apps
            for queue in queues_of(app, work.key.app_id_prefix, work.environment)
        ]


def _in_turn(
    due: list[tuple[AppleReferenceValues, Sequence[Due]]],
) -> Iterator[tuple[AppleReferenceValues, Due]]:
    """All of them, the longest due first."""
    every = [(expected, one) for expected, page in due for one in page]
    yield from sorted(every, key=lambda pair: pair[1].due_at)


@dataclass(slots=True)
class _Progress:
    """What came of a team's questions so far, and whether to go on."""

    report: Report
    stopped: bool = False
    wrong_key: bool = False
    _taken: int = 0
    _strays: int = 0
    _faults: int = 0
    _wanted: float | None = None
    _longest: float = LONGEST_PAUSE

    def add(self, done: Sequence[Done]) -> None:
        for one in done:
            self.report.outcomes[one.outcome.value] += 1
            if one.detail:
                self.report.details[one.detail] += 1
            if one.reading is not None:
                self.report.readings.append(one.reading)
            self._judge(one)

    def _judge(self, one: Done) -> None:
        if one.pause is not None:
            self._wanted = max(one.pause, self._wanted or 0.0)
        match one.outcome:
            case Outcome.UNAUTHORIZED:
                self._strays += 1
                if not self._taken or self._strays >= STRAY:
                    self.stopped = self.wrong_key = True
                    self._longest = min(self._longest, LONGEST_REFUSAL)
            case Outcome.BUSY:
                self.stopped = True
            case Outcome.FAILED:
                self._faults += 1
                if self._faults >= FAULTS or one.pause is not None:
                    self.stopped, self._longest = True, min(self._longest, LONGEST_OUTAGE)
            case Outcome.READ | Outcome.NO_DATA | Outcome.NOT_YET:
                self._taken += 1
                self._faults = 0
            case _:
                pass

    def pause(self, before: int) -> float:
        """Seconds until the next run: what Apple wants, or 30 and twice as long each time, less a part by chance."""
        if not self.stopped:
            return 0.0
        if self._wanted is not None:
            return min(max(self._wanted, 1.0), LONGEST_PAUSE)
        longest = min(self._longest, FIRST_PAUSE * 2 ** min(before, 10))
        return float(longest * _CHANCE.uniform(0.5, 1.0))
