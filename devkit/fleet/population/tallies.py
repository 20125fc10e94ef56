"""Scenarios as tallies, for detectors of rates: rows of minutes and hours, and the windows that a runner would read."""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.detection.rates.window import HOURS, MINUTES, KnownBuild, TallyWindow, VendorSeen, no_slot
from service.tallies.rows import Cell, TallyRow, Why

from devkit.fleet.population.counted import HOUR, MINUTE, Counted, Flood, bounded
from devkit.fleet.population.markets import BUILDS
from devkit.fleet.population.releases import Release
from devkit.fleet.population.rhythm import DAY
from devkit.fleet.population.scenarios import LATER_BUILD, NEW_BUILD
from devkit.fleet.population.world import APP, START

_TABLES: Final = ("apple", "android", "harmony")
_FLOOD_SECONDS: Final = 1_200
_OUTAGE_SECONDS: Final = 2_700
_SCHEDULE: Final = 900
"""How often the stack asks Google and so notices that it does not answer; a fourth of an hour at most (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens when, in one run of a scenario: times in Unix seconds, ``begin`` infinite where nothing happens.
    ``expected`` are the detectors of which one must say so."""

    begin: float = math.inf
    expected: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    registered: Mapping[str, float] = field(default_factory=dict)


def plan(name: str, seed: int, days: float, start: float = START) -> Plan:
    """The plan of a scenario. Its event begins in the last third of the window, so that there are days to learn from.
    Raises :class:`KeyError` for an unknown name."""
    chance = random.Random(f"plan {name} {seed}")  # noqa: S311 - reproducible, no secret
    return _PLANS[name](start + days * DAY * chance.uniform(0.7, 0.9), start, days)


def tallies(
    name: str, seed: int, days: float = 30, *, a_day: int = 1_000_000, start: float = START, app: str = APP
) -> Iterator[TallyRow]:
    """The rows of minutes of a scenario, by time and source, the same for the same arguments."""
    chance = random.Random(f"tallies {name} {seed}")  # noqa: S311 - reproducible, no secret
    changes = plan(name, seed, days, start).changes
    return Counted(chance=chance, start=start, days=days, a_day=a_day, app=app, **changes).rows()


def windows(
    name: str,
    seed: int,
    days: float = 30,
    *,
    a_day: int = 1_000_000,
    start: float = START,
    app: str = APP,
    slot: Callable[[str, str], bytes | None] = no_slot,
) -> Iterator[TallyWindow]:
    """What a runner reads of a scenario each minute, five seconds after the minute: minutes, and hours, the newest of
    which still grows. The hour's rows are shared by the windows of one hour: they are read, not kept."""
    chosen = plan(name, seed, days, start)
    builds = {KnownBuild(table, build): since for build, since in chosen.registered.items() for table in _TABLES}
    minutes: dict[str, deque[TallyRow]] = {}
    hours: dict[str, deque[_Hour]] = {}
    now = start + MINUTE
    for row in tallies(name, seed, days, a_day=a_day, start=start, app=app):
        while row.at >= now:
            yield _window(app, now + 5, minutes, hours, builds, slot)
            now += MINUTE
        minutes.setdefault(row.source, deque(maxlen=MINUTES)).append(row)
        own = hours.setdefault(row.source, deque(maxlen=HOURS))
        if not own or own[-1].at != row.at // HOUR * HOUR:
            own.append(_Hour(app, row.source, row.at // HOUR * HOUR))
        own[-1].add(row)
    yield _window(app, now + 5, minutes, hours, builds, slot)


def vendors_at(name: str, seed: int, days: float, now: float, *, start: float = START) -> tuple[VendorSeen, ...]:
    """What the view says of vendors at a moment of a scenario."""
    chosen = plan(name, seed, days, start)
    begin, end = chosen.changes.get("outage", (math.inf, math.inf))
    out = begin + MINUTE <= now < end + _SCHEDULE
    names = ("google-status-list", "play-decode", "apple", "huawei")
    return tuple(VendorSeen(each, "failing" if out and each == "play-decode" else "ok") for each in names)


@dataclass(slots=True)
class _Hour:
    """An hour that grows."""

    app: str
    source: str
    at: int
    cells: Counter[Cell] = field(default_factory=Counter)
    beyond: Counter[Why] = field(default_factory=Counter)
    _row: TallyRow | None = None

    def add(self, row: TallyRow) -> None:
        self._row = None
        self.beyond.update(row.other_by_why)
        room = 64
        for cell, times in row.cells.items():
            if cell in self.cells or len(self.cells) < 2 * room:
                self.cells[cell] += times
            else:
                self.beyond[Why(cell.outcome, cell.why)] += times

    def row(self) -> TallyRow:
        if self._row is None:
            self._row = bounded(
                TallyRow(self.app, self.source, HOUR, self.at, cells=self.cells, other_by_why=self.beyond, delay=4.0)
            )
        return self._row


def _window(
    app: str,
    now: float,
    minutes: Mapping[str, deque[TallyRow]],
    hours: Mapping[str, deque[_Hour]],
    builds: Mapping[KnownBuild, float],
    slot: Callable[[str, str], bytes | None],
) -> TallyWindow:
    since, first = (int(now) // MINUTE - MINUTES + 1) * MINUTE, (int(now) // HOUR - HOURS + 1) * HOUR
    return TallyWindow(
        app=app,
        now=now,
        minutes={source: [row for row in rows if row.at >= since] for source, rows in minutes.items()},
        hours={source: [hour.row() for hour in rows if hour.at >= first] for source, rows in hours.items()},
        builds={build: at for build, at in builds.items() if at <= now},
        slot=slot,
    )


def _known(**more: float) -> Mapping[str, float]:
    return dict.fromkeys(BUILDS, 0.0) | more


def _quiet(_begin: float, _start: float, _days: float) -> Plan:
    return Plan(registered=_known())


def _month(_begin: float, start: float, days: float) -> Plan:
    """Two releases, registered an hour before they come out, and a holiday."""
    first, second = start + days * DAY * 0.25 + 9 * HOUR, start + days * DAY * 0.65 + 15 * HOUR
    return Plan(
        changes={
            "releases": (Release(build=NEW_BUILD, at=first), Release(build=LATER_BUILD, at=second)),
            "holidays": frozenset({int((start + days * DAY * 0.5) // DAY)}),
        },
        registered=_known(**{NEW_BUILD: first - HOUR, LATER_BUILD: second - HOUR}),
    )


def _releases(begin: float, start: float, days: float) -> Plan:
    whole = _month(begin, start, days)
    return Plan(changes={"releases": whole.changes["releases"]}, registered=whole.registered)


def _holiday(begin: float, start: float, days: float) -> Plan:
    return Plan(changes={"holidays": _month(begin, start, days).changes["holidays"]}, registered=_known())


def _botched(begin: float, _start: float, _days: float) -> Plan:
    release = Release(build=NEW_BUILD, at=begin, why="rule:build-unknown")
    return Plan(begin=begin, expected=("failing-build",), changes={"releases": (release,)}, registered=_known())


def _repackaged(begin: float, _start: float, _days: float) -> Plan:
    release = Release(build="4201-mod", at=begin, why="signer-mismatch", signer="other", share=0.04, all_at_once=True)
    return Plan(begin=begin, expected=("failing-build",), changes={"releases": (release,)}, registered=_known())


def _outage(begin: float, _start: float, _days: float) -> Plan:
    changes = {"outage": (begin, begin + _OUTAGE_SECONDS)}
    return Plan(begin=begin, expected=("vendor-trouble",), changes=changes, registered=_known())


def _beacons(begin: float, _start: float, _days: float) -> Plan:
    flood = Flood(begin=begin, end=begin + _FLOOD_SECONDS, reports=100_000)
    return Plan(begin=begin, expected=("spike",), changes={"flood": flood}, registered=_known())


_PLANS: Final[Mapping[str, Callable[[float, float, float], Plan]]] = {
    "ordinary-day": _quiet,
    "quiet-month": _month,
    "two-releases": _releases,
    "holiday": _holiday,
    "botched-release": _botched,
    "repackaged": _repackaged,
    "vendor-outage": _outage,
    "beacons": _beacons,
}
TALLIED: Final = tuple(_PLANS)
"""Names of the scenarios that tallies show."""
