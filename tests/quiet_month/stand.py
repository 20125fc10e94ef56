"""Runs detectors over minutes of tallies, as the function that looks once a minute does, and keeps the incidents."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from service.detection.detector import TallyDetector
from service.detection.finding import Finding, incident_id
from service.detection.rates.failing_build import FailingBuild
from service.detection.rates.spike import Spike
from service.detection.rates.vendor_trouble import VendorTrouble
from service.detection.rates.window import ALL_APPS, HOURS, MINUTES, KnownBuild, TallyWindow, no_slot, window_of
from service.detection.slots import InMemorySlots
from service.incidents.running import look
from service.tallies.rows import TallyRow, Why

DETECTORS: Sequence[TallyDetector] = (FailingBuild(), Spike(), VendorTrouble())
LATE = 5.0
"""Seconds after its end at which a minute is looked at."""


class RememberingRow(TallyRow):
    """A row of a minute that adds its reasons up once, as it is looked at fifteen times."""

    __slots__ = ("_by_why",)
    _by_why: Mapping[Why, int]

    def by_why(self) -> Mapping[Why, int]:
        """As the row says."""
        try:
            return self._by_why
        except AttributeError:
            object.__setattr__(self, "_by_why", TallyRow.by_why(self))
            return self._by_why

    @classmethod
    def of(cls, row: TallyRow) -> RememberingRow:
        """The same row."""
        return cls(row.app, row.source, row.step, row.at, row.cells, row.other, other_by_why=row.other_by_why)


@dataclass(slots=True)
class Reader:
    """What is read of an app's rows as minutes pass: of hours, totals by reason, since hours have room for no more of a
    busy app."""

    app: str
    builds: Mapping[KnownBuild, float] = field(default_factory=dict)
    slot: Callable[[str, str], bytes | None] = no_slot
    _minutes: deque[list[TallyRow]] = field(default_factory=lambda: deque(maxlen=MINUTES - 1))
    _hours: dict[tuple[int, str], Counter[Why]] = field(default_factory=dict)

    def window(self, at: int, rows: Iterable[TallyRow], *, wanted: bool = True) -> TallyWindow | None:
        """The window just after the minute that began at ``at``."""
        remembering: list[TallyRow] = [RememberingRow.of(row) for row in rows]
        self._minutes.append(remembering)
        for row in remembering:
            self._hours.setdefault((at // 3600 * 3600, row.source), Counter()).update(row.by_why())
        if not wanted:
            return None
        now = at + 60 + LATE
        oldest = int(now) // 3600 * 3600 - (HOURS - 1) * 3600
        self._hours = {key: whys for key, whys in self._hours.items() if key[0] >= oldest}
        read = [row for minute in self._minutes for row in minute]
        read += [_hour(self.app, source, begin, whys) for (begin, source), whys in self._hours.items()]
        builds = {build: since for build, since in self.builds.items() if since <= now}
        return window_of(self.app, read, now, builds=builds, slot=self.slot)


def _hour(app: str, source: str, at: int, whys: Mapping[Why, int]) -> TallyRow:
    other: Counter[str] = Counter()
    for why, times in whys.items():
        other[why.outcome] += times
    return TallyRow(app, source, 3600, at, {}, other, other_by_why=whys)


def by_minute(rows: Iterable[TallyRow], begin: int) -> Iterator[tuple[int, list[TallyRow]]]:
    """Rows of minutes in order of time, one after the other; minutes without any as well."""
    next_at = begin
    for at, group in groupby(rows, key=lambda row: row.at):
        while next_at < at:
            yield next_at, []
            next_at += 60
        yield at, list(group)
        next_at = at + 60


@dataclass(slots=True)
class Opened:
    """An incident: when it was opened (Unix seconds), and what was found last."""

    at: float
    finding: Finding


@dataclass(slots=True)
class Stand:
    """An app, and all apps of its stack, before the detectors."""

    slots: InMemorySlots = field(default_factory=InMemorySlots)
    incidents: list[Opened] = field(default_factory=list)
    looks: int = 0
    _open: dict[str, Opened] = field(default_factory=dict)

    def look(self, window: TallyWindow) -> Sequence[Finding]:
        """One look."""
        self.looks += 1
        both = {window.app: window, ALL_APPS: replace(window, app=ALL_APPS)}
        shown = look(both, DETECTORS, self.slots, now=window.now, failed=_failed)
        for finding in shown.findings:
            self._found(finding, window.now)
        return shown.findings

    def _found(self, finding: Finding, now: float) -> None:
        name = incident_id(finding)
        known = self._open.get(name)
        if known is None or now - known.finding.last > known.finding.quiet_after:
            self._open[name] = Opened(now, finding)
            self.incidents.append(self._open[name])
        else:
            known.finding = finding

    @property
    def bytes(self) -> dict[str, int]:
        """How large the state of each detector is."""
        return {slot.detector: len(state) for slot, (state, _, _) in self.slots.rows.items()}


def _failed(detector: str, error: Exception) -> None:
    raise AssertionError(detector) from error
