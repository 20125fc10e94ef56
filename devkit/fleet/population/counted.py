"""Tallies of a population too large to be followed one by one: a million decisions a day, counted.

Overdispersed in three ways, as what people and apps do together is: a factor for each quarter of an hour that all
sources share, one for each day, and one for each reason that drifts over hours. Refusals come in clusters, because a
client that is refused tries again. How large these factors are is assumed; shares of reasons are those of the recorded
population of ``tests/benchmarks``. Estimates of keys are left out, and so are challenges.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from service.tallies.rows import FACTS, Cell, TallyRow, Why

from devkit.fleet.population.markets import COUNTRIES, some_build, some_country, some_make
from devkit.fleet.population.releases import Release
from devkit.fleet.population.rhythm import DAY, QUARTER, use_at, weather
from devkit.fleet.population.world import APP

MINUTE: Final = 60
HOUR: Final = 3_600
CELLS: Final = 48
"""Different cells of accepted decisions for which a row has room, with texts as these (64 at most, in 1,400 bytes);
as many of all others."""

SHARES: Final[Mapping[str, float]] = {"renew": 0.6, "authorize": 0.36, "enrol": 0.025, "signal": 0.01, "beacon": 0.005}
"""How a day's decisions divide among the sources (assumed)."""
_ENROLLED: Final = (("rule:signal-hooking", 0.02), ("rule:android-unlocked", 0.015), ("challenge-expired", 0.004))
_RENEWED: Final = (
    ("challenge-expired", 0.0018),
    ("challenge-spent", 0.001),
    ("key-unknown", 0.0005),
    ("rule:signal-hooking", 0.0004),
    ("malformed-request", 0.0005),
    ("signature-invalid", 0.0002),
)
REASONS: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "enrol": _ENROLLED,
    "renew": _RENEWED,
    "signal": (("challenge-expired", 0.002),),
    "authorize": (("token-expired", 0.012), ("token-missing", 0.006), ("proof-replayed", 0.0003)),
    "beacon": (),
}
BEACONS: Final = (
    ("app-attest-not-supported", 0.4),
    ("vendor-unreachable", 0.25),
    ("key-generation-failed", 0.2),
    ("play-services-outdated", 0.15),
)
_TRIES: Final = 2.0
"""How often a refused client asks, on average."""
_DRIFT: Final = 0.2
_DAYS_DRIFT: Final = 0.06
_POOL: Final = 4_096
_RETRIES_OF_A_RELEASE: Final = 0.4
"""Decisions of an install that is refused each time, as a share of those that it would make: no chain of renewals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Reports of devices that cannot attest, ``reports`` of them from ``begin`` to ``end`` (Unix seconds)."""

    begin: float
    end: float
    reports: int
    code: str = "app-attest-not-supported"


@dataclass(slots=True, kw_only=True)
class Counted:
    """An app's tallies over a window. What an event changes is as in
    :class:`~devkit.fleet.population.ordinary.Ordinary`, and a :class:`Flood`."""

    chance: random.Random
    start: float
    days: float
    a_day: int
    app: str = APP
    releases: tuple[Release, ...] = ()
    outage: tuple[float, float] = (math.inf, math.inf)
    flood: Flood | None = None
    holidays: frozenset[int] = frozenset()
    _facts: dict[str, list[tuple[str, ...]]] = field(init=False, default_factory=dict)
    _places: dict[str, list[int]] = field(init=False, default_factory=dict)
    _cells: dict[str, list[Cell]] = field(init=False, default_factory=dict)
    _android: float = field(init=False, default=0.0)
    _drifts: dict[Why, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        people = [_person(self.chance) for _ in range(_POOL)]
        self._android = sum(facts[0] == "android" for facts in people) / _POOL
        routes = self.chance.choices(("orders", "offers", "account", "payments"), (50, 30, 15, 5), k=_POOL)
        self._facts = {
            "enrol": people,
            "renew": people,
            "signal": people,
            "beacon": [facts[:4] for facts in people],
            "authorize": [(route, "verified", facts[0], facts[1]) for route, facts in zip(routes, people, strict=True)],
        }

    def rows(self) -> Iterator[TallyRow]:
        """Buckets of a minute, by time and source; a bucket in which nothing was counted is left out."""
        quarters = int(self.days * DAY / QUARTER) + 1
        shared = weather(self.chance, quarters)
        own = {source: weather(self.chance, quarters) for source in SHARES}
        days = [math.exp(self.chance.gauss(0, _DAYS_DRIFT)) for _ in range(math.ceil(self.days) + 1)]
        for minute in range(int(self.days * DAY / MINUTE)):
            at = self.start + minute * MINUTE
            quarter = minute * MINUTE // QUARTER
            if minute % 15 == 0:
                use = self._use(at) * days[minute // 1440] * shared[quarter] / 1440
                self._drift()
                self._settle(at)
            for source, share in SHARES.items():
                mean = self.a_day * share * use * (1 + 0.3 * (own[source][quarter] - 1))
                row = self._row(source, int(at), mean)
                if row is not None:
                    yield row

    def taken(self, release: Release, at: float) -> float:
        """The share of the installs that have a release at a moment."""
        return release.share_at(at) * (self._android if release.signer else 1.0)

    def _use(self, at: float) -> float:
        whole = sum(country.share for country in COUNTRIES)
        return sum(use_at(at, each.offset, self.holidays) * each.share for each in COUNTRIES) / whole

    def _drift(self) -> None:
        """A step of an hour's memory, each quarter of an hour."""
        for why in self._whys():
            self._drifts[why] = 0.78 * self._drifts.get(why, 0.0) + self.chance.gauss(0, _DRIFT * 0.63)

    def _whys(self) -> Iterator[Why]:
        for source, reasons in REASONS.items():
            yield from (Why(source, why) for why, _ in reasons)
        yield from (Why("beacon", code) for code, _ in BEACONS)

    def _row(self, source: str, at: int, mean: float) -> TallyRow | None:
        counts: Counter[Cell] = Counter()
        if source == "beacon":
            for code, share in BEACONS:
                self._count(counts, source, "reported", code, self._clustered(mean * share, Why(source, code)))
            self._flood(counts, at)
            return self._told(source, at, counts)
        newest = [(release, self.taken(release, at)) for release in self.releases if at >= release.at]
        made = poisson(self.chance, mean)
        for release, share in newest:
            if release.signer and source == "enrol":  # another app, which tries to enrol wherever ours would renew
                tries = mean * SHARES["renew"] / SHARES["enrol"] * share * _RETRIES_OF_A_RELEASE
                self._count(
                    counts,
                    source,
                    "refused",
                    release.why,
                    poisson(self.chance, tries),
                    build=release.build,
                    android=True,
                )
            elif release.why and not release.signer and source in ("enrol", "renew"):
                lost = poisson(self.chance, mean * share * _RETRIES_OF_A_RELEASE)
                self._count(counts, source, "refused", release.why, lost, build=release.build)
                made -= poisson(self.chance, mean * share)
        if source in ("enrol", "renew") and self.outage[0] <= at < self.outage[1]:
            out = poisson(self.chance, mean * self._android * (1.0 if source == "enrol" else 0.1))
            self._count(counts, source, "unavailable", "try-later", out, android=True)
            made -= out
        for why, share in REASONS[source]:
            self._count(counts, source, "refused", why, self._clustered(mean * share, Why(source, why)))
        accepted, beyond = self._accept(source, max(0, made))
        counts.update(accepted)
        return self._told(source, at, counts, beyond)

    def _clustered(self, mean: float, why: Why) -> int:
        """A number of refusals: clients, and how often each of them tried."""
        clients = poisson(self.chance, mean / _TRIES * math.exp(self._drifts.get(why, 0.0)))
        return sum(1 + int(self.chance.expovariate(1) / math.log(2)) for _ in range(clients))

    def _accept(self, source: str, made: int) -> tuple[dict[Cell, int], int]:
        """Acceptances: those with a cell of their own, by order of their coming, and how many had no room any more."""
        drawn = Counter(self.chance.choices(self._places[source], k=made))
        own = dict(islice(drawn.items(), CELLS))
        cells = self._cells[source]
        return {cells[number]: times for number, times in own.items()}, made - sum(own.values())

    def _settle(self, at: float) -> None:
        """Which cell each of the people is counted in now: by their facts, and the release that they have."""
        out = [(each.build, self.taken(each, at)) for each in self.releases if at >= each.at and not each.why]
        if self._places and not out:
            return
        for source, people in self._facts.items():
            place, numbers = FACTS[source].index("app_build"), dict[Cell, int]()
            self._places[source] = [
                numbers.setdefault(Cell("accepted", "", _updated(facts, place, number, out)), len(numbers))
                for number, facts in enumerate(people)
            ]
            self._cells[source] = list(numbers)

    def _count(
        self,
        counts: Counter[Cell],
        source: str,
        outcome: str,
        why: str,
        times: int,
        *,
        build: str = "",
        android: bool = False,
    ) -> None:
        pool, place = self._facts[source], FACTS[source].index("app_build")
        while times > 0:
            facts = pool[int(_POOL * self.chance.random())]
            if android and "android" not in facts:
                continue
            if build:
                facts = (*facts[:place], build, *facts[place + 1 :])
            if source == "authorize":
                facts = (facts[0], why.removeprefix("token-"), "", "")
            counts[Cell(outcome, why, facts)] += 1
            times -= 1

    def _flood(self, counts: Counter[Cell], at: int) -> None:
        flood = self.flood
        if flood is not None and flood.begin <= at < flood.end:
            mean = flood.reports * MINUTE / (flood.end - flood.begin)
            counts[Cell("reported", flood.code, ("ios", "", "", ""))] += poisson(self.chance, mean)

    def _told(self, source: str, at: int, counts: Counter[Cell], beyond: int = 0) -> TallyRow | None:
        if not counts:
            return None
        other = {Why("accepted", ""): beyond} if beyond else {}
        row = TallyRow(self.app, source, MINUTE, at, cells=counts, delay=4.0, other_by_why=other, longest_delay=9.0)
        return bounded(row)


def bounded(row: TallyRow) -> TallyRow:
    """The row as the table has it: the cells that there is room for, and the remainder by reason."""
    cells: dict[Cell, int] = {}
    beyond: Counter[Why] = Counter(dict(row.other_by_why))
    held: Counter[bool] = Counter()
    for cell, times in row.cells.items():
        accepted = cell.outcome == "accepted"
        if held[accepted] < CELLS:
            cells[cell] = times
            held[accepted] += 1
        else:
            beyond[Why(cell.outcome, cell.why)] += times
    other: Counter[str] = Counter()
    for why, times in beyond.items():
        other[why.outcome] += times
    return TallyRow(
        row.app,
        row.source,
        row.step,
        row.at,
        cells=cells,
        other=other,
        delay=row.delay,
        other_by_why=beyond,
        longest_delay=row.longest_delay,
    )


def poisson(chance: random.Random, mean: float) -> int:
    """A Poisson variate; beyond 60 by its normal approximation."""
    if mean <= 0:
        return 0
    if mean > 60:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    floor, product, count = math.exp(-mean), chance.random(), 0
    while product > floor:
        product *= chance.random()
        count += 1
    return count


def _updated(facts: tuple[str, ...], place: int, number: int, out: list[tuple[str, float]]) -> tuple[str, ...]:
    """The facts with the newest release that a person has. Whose turn it is in a rollout is each person's own, so a
    share of the people have it, with all their decisions."""
    turn = number * 2_654_435_761 % _POOL / _POOL
    newest = next((build for build, share in reversed(out) if turn < share), "")
    return (*facts[:place], newest, *facts[place + 1 :]) if newest else facts


def _person(chance: random.Random) -> tuple[str, ...]:
    make = some_make(chance)
    return make.platform, some_build(chance), make.os, make.model, some_country(chance)
