"""One scenario through the product: lines written, read, counted and shown to every detector of the registry."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.detection.detectors import POPULATION_DETECTORS, TALLY_DETECTORS
from service.detection.finding import Finding, incident_id
from service.detection.rates.window import ALL_APPS, KnownBuild, VendorSeen
from service.detection.reading import sightings_of
from service.detection.sighting import Sighting
from service.detection.slots import InMemorySlots, Slot
from service.incidents.running import look, show

from devkit.fleet.population.counted import BEACONS, poisson
from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.names import RawNames
from devkit.fleet.population.scenarios import SCENARIOS, begin_of, builds_registered, scenario
from devkit.fleet.population.world import APP, START
from tests.red_fleet.counted import Counting
from tests.red_fleet.lines import EpochsOfTest, LineWriter

DELIVERY = 10.0
"""Seconds of decisions that arrive together: CloudWatch Logs hands lines on within seconds."""
MINUTE = 60
_FLOOD = 100_000
_FLOOD_MINUTES = 20
_OUTAGE = 2_700.0
_REPORTED_A_DAY = 0.01
_TABLES = ("apple", "android", "harmony")


@dataclass(slots=True)
class Judged:
    """What became of one run. Times of incidents and of ``begin`` (the first hostile decision) are Unix seconds."""

    name: str
    seed: int
    begin: float = 0.0
    decisions: int = 0
    span: float = 0.0
    seconds: float = 0.0
    hostile: set[str] = field(default_factory=set)
    genuine: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    warned: set[str] = field(default_factory=set)
    incidents: dict[str, tuple[float, Finding]] = field(default_factory=dict)

    @property
    def expected(self) -> tuple[str, ...]:
        """The detectors of which one must name it."""
        return SCENARIOS[self.name].expected

    @property
    def first(self) -> tuple[float, Finding] | None:
        """The first incident of a detector that must name the scenario, after its beginning."""
        fitting = (
            (at, finding)
            for at, finding in self.incidents.values()
            if finding.detector in self.expected and at >= self.begin > 0
        )
        return min(fitting, key=lambda each: each[0], default=None)

    @property
    def delay(self) -> float | None:
        """Seconds from the first hostile decision to the incident."""
        return None if self.first is None else self.first[0] - self.begin

    @property
    def others(self) -> Counter[str]:
        """Incidents of other detectors, and those from before the event."""
        return Counter(
            finding.detector
            for at, finding in self.incidents.values()
            if finding.detector not in self.expected or at < self.begin
        )

    @property
    def speed(self) -> float:
        """How many times faster than in the scenario it went, by the processor's time."""
        return self.span / self.seconds


def judge(
    name: str,
    seed: int,
    *,
    phones: int = 10_000,
    use: float = 1.0,
    days: float | None = None,
    until_named: bool = False,
) -> Judged:
    """Run a scenario through the product. ``until_named`` ends a quarter of an hour after the expected incident, and
    looks at tallies every five minutes only until shortly before the event."""
    began = time.process_time()
    run = _Run(Judged(name, seed), days=days, sparing=until_named)
    for at, batch in _deliveries(scenario(name, seed, phones, days=days, use=use, naming=RawNames())):
        run.deliver(at, batch)
        if until_named and run.judged.delay is not None and at > run.judged.begin + run.judged.delay + 900:
            break
    run.judged.seconds = time.process_time() - began
    return run.judged


class _Run:
    def __init__(self, judged: Judged, *, days: float | None, sparing: bool) -> None:
        self.judged = judged
        self._writer = LineWriter(EpochsOfTest(judged.seed), random.Random(judged.seed))
        self._slots, self._counting = InMemorySlots(), Counting(APP)
        self._chance = random.Random(f"beacons {judged.seed}")
        self._event = begin_of(judged.name, judged.seed, days=days)
        self._each_minute_from = self._event - 1_800 if sparing else START
        registered = builds_registered(judged.name, self._event).items()
        self._builds = {KnownBuild(table, build): since for build, since in registered for table in _TABLES}
        self._minute = START
        self._by_issuer: dict[str, set[str]] = {}

    def deliver(self, now: float, batch: Sequence[LabelledSighting]) -> None:
        while now >= self._minute + MINUTE:
            self._minute += MINUTE
            if self._minute >= self._each_minute_from or self._minute % 300 == 0:
                self._look(self._minute + 5)
        damaged = Counter[str]()
        lines = [self._writer.line(sighting) for sighting, _ in batch]
        read = list(sightings_of(lines, self._writer.keys, now, damaged))
        assert not damaged, damaged
        for sighting, (_, hostile) in zip(read, batch, strict=True):
            self._note(sighting, hostile)
            facts = (sighting.platform, sighting.app_build, sighting.os, sighting.model, sighting.country)
            self._counting.count(sighting.source, sighting.at, sighting.outcome, sighting.why, facts, sighting.key_id)
        shown = show(read, POPULATION_DETECTORS, self._slots, now=now, failed=_fail)
        self._take(shown.findings, now)
        self.judged.span = now - START

    def _note(self, one: Sighting, hostile: str) -> None:
        judged = self.judged
        judged.decisions += 1
        if hostile and not judged.begin:
            judged.begin = one.at
        if one.key_id:
            (judged.hostile if hostile else judged.genuine).add(one.key_id)
            for issuer in (one.issuer, one.issuer_mark):
                if issuer and one.source == "enrol":
                    self._by_issuer.setdefault(issuer, set()).add(one.key_id)

    def _look(self, now: float) -> None:
        self._report(now)
        self._counting.deliver(now)
        shown = look(
            {
                app: self._counting.window(
                    now, app=app, builds=self._known(now), vendors=() if app else self._vendors(now), slot=self._state
                )
                for app in (APP, ALL_APPS)
            },
            TALLY_DETECTORS,
            self._slots,
            now=now,
            failed=_fail,
        )
        self._take(shown.findings, now)
        if self._minute % 3600 == 0:
            self._counting.forget(now - 4 * 3600)
            self._slots.forget(now)

    def _known(self, now: float) -> dict[KnownBuild, float]:
        return {build: since for build, since in self._builds.items() if since <= now}

    def _report(self, now: float) -> None:
        """The beacons of the minute that ends: an ordinary day's, and the flood."""
        at = now - 5 - MINUTE
        for code, share in BEACONS:
            for _ in range(poisson(self._chance, _REPORTED_A_DAY * 10_000 * share / 1440)):
                self._counting.count("beacon", at, "reported", code, ("ios", "4200", "iOS 26.1", "iPhone17,1"))
        if self.judged.name == "beacons" and self._event <= at < self._event + _FLOOD_MINUTES * MINUTE:
            self.judged.begin = self.judged.begin or at
            for _ in range(_FLOOD // _FLOOD_MINUTES):
                self._counting.count("beacon", at, "reported", "app-attest-not-supported", ("ios", "", "", ""))

    def _vendors(self, now: float) -> tuple[VendorSeen, ...]:
        """What the view tells of vendors: that Google's decoding fails, a minute after it does."""
        out = self.judged.name == "vendor-outage" and MINUTE <= now - self._event < _OUTAGE
        names = ("google-status-list", "play-decode", "apple", "huawei")
        return tuple(VendorSeen(each, "failing" if out and each == "play-decode" else "ok") for each in names)

    def _state(self, detector: str, name: str) -> bytes | None:
        versions = {each.name: each.version for each in POPULATION_DETECTORS}
        if detector not in versions:
            return None
        slot = Slot(APP, detector, versions[detector], name)
        return self._slots.read([slot], self._minute)[slot].state

    def _take(self, findings: Sequence[Finding], now: float) -> None:
        for finding in findings:
            self.judged.incidents.setdefault(incident_id(finding), (now, finding))
            keys = set(finding.keys)
            for issuer in (*finding.issuers, finding.named.get("issuer", "")):
                keys |= self._by_issuer.get(issuer, set())
            (self.judged.named if finding.scope == "key" else self.judged.warned).update(keys)


def _deliveries(sightings: Iterator[LabelledSighting]) -> Iterator[tuple[float, list[LabelledSighting]]]:
    """Sightings in deliveries, each with the moment at which it is there."""
    batch: list[LabelledSighting] = []
    due = START + DELIVERY
    for each in sightings:
        if each.sighting.at >= due:
            if batch:
                yield due, batch
            batch, due = [], (each.sighting.at // DELIVERY + 1) * DELIVERY
        batch.append(each)
    if batch:
        yield due, batch


def _fail(detector: str, error: Exception) -> None:
    raise AssertionError(f"{detector} failed") from error
