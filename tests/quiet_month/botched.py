"""A release that was not registered, among ten thousand phones of which each is followed: when is it told?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from service.detection.finding import Finding
from service.detection.rates.refused_signers import RefusedSigners
from service.detection.rates.window import KnownBuild
from service.detection.sighting import Sighting
from service.detection.slots import Slot
from service.incidents.running import show
from service.tallies.rows import Cell, TallyRow

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.markets import BUILDS
from devkit.fleet.population.scenarios import NEW_BUILD, begin_of, scenario
from devkit.fleet.population.world import APP, START
from tests.quiet_month.stand import Reader, Stand

PHONES = 10_000
EVERY = 8
"""Minutes between two looks while nothing has happened yet."""


@dataclass(frozen=True, slots=True)
class Told:
    """``refusals`` of how many ``installs`` there were when the incident was opened, ``twice`` of them had been refused
    at least twice; ``seconds`` since the first refusal."""

    finding: Finding
    seconds: float
    refusals: int
    installs: int
    twice: int

    @property
    def share(self) -> float:
        """Of all users, those that were refused at least twice."""
        return self.twice / PHONES


def told(seed: int, name: str = "botched-release") -> Told | None:
    """When a scenario's release is told, by seed."""
    stand, signers = Stand(), RefusedSigners()
    begin = begin_of(name, seed)
    reader = Reader(APP, _registered(), _slot(stand, signers))
    refused: Counter[str] = Counter()
    first = 0.0
    for at, sightings in _minutes(scenario(name, seed, PHONES)):
        shown = show(sightings, [signers], stand.slots, now=at + 60.0, failed=_failed)
        assert not shown.unavailable
        for one in sightings:
            if one.outcome == "refused" and one.app_build not in BUILDS:
                first = first or one.at
                refused[one.request_key or one.key_id or one.id] += 1
        wanted = at >= begin or at // 60 % EVERY == 0
        window = reader.window(at, _rows(at, sightings), wanted=wanted)
        for finding in stand.look(window) if window is not None else ():
            if finding.detector == "failing-build" and "build" in finding.named:
                twice = sum(times > 1 for times in refused.values())
                return Told(finding, window.now - first if window else 0.0, refused.total(), len(refused), twice)
    return None


def _registered() -> dict[KnownBuild, float]:
    return {KnownBuild(table, build): START - 1.0 for table in ("apple", "android", "harmony") for build in BUILDS}


def _slot(stand: Stand, signers: RefusedSigners):  # type: ignore[no-untyped-def]
    def read(detector: str, name: str) -> bytes | None:
        slot = Slot(APP, detector, signers.version, name)
        return stand.slots.read([slot], 0.0)[slot].state

    return read


def _minutes(labelled: Iterator[LabelledSighting]) -> Iterator[tuple[int, Sequence[Sighting]]]:
    for minute, group in groupby((one.sighting for one in labelled), key=lambda one: int(one.at // 60)):
        yield minute * 60, list(group)


def _rows(at: int, sightings: Sequence[Sighting]) -> list[TallyRow]:
    by_source: dict[str, Counter[Cell]] = {}
    for one in sightings:
        facts = (one.platform, one.app_build, one.os, one.model, one.country)
        by_source.setdefault(one.source, Counter())[Cell(one.outcome, one.why, facts)] += 1
    return [TallyRow(APP, source, 60, at, cells) for source, cells in by_source.items()]


def _failed(detector: str, error: Exception) -> None:
    raise AssertionError(detector) from error


__all__ = ["NEW_BUILD", "PHONES", "Told", "told"]
