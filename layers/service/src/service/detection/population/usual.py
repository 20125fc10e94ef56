"""What is usual in an app's own population: how late evidence comes, at which hours, from where, in how long runs.

Counts in classes, learned from a fair sample of sightings: the first thousand, then one of 64; of hours one of 64 from
the beginning, and they count once a day was seen. What is older than the last one that was learned is left out, so that
a line that is delivered again teaches nothing.

Surprise is -ln p, where p is the share of the population that is at least as unusual: for a phone of that population it
is distributed as an exponential variable of mean 1, or smaller (p is rounded up, and never below 1 / (n + 1)).
"""

from __future__ import annotations

import math
import struct
from typing import Final

from service.detection.population.packing import DAY, digest_of
from service.detection.sighting import Sighting

_DELAYS: Final = 48
"""Quarter octaves from 0.1 s on."""
_HOURS: Final = 24
_PLACES: Final = 6
"""Enrolled within the hour, within the day, earlier: at home, elsewhere."""
_RUNS: Final = 20
"""Half octaves."""
_COUNTS: Final = struct.Struct(f">{2 * _DELAYS + _HOURS + _PLACES + _RUNS}HddI")
SIZE: Final = _COUNTS.size
_FIRST: Final = 1_000
_ONE_OF: Final = 64
_TAIL: Final = 2.0
"""Exponent by which runs beyond the longest one known become rarer (assumed)."""
_TAIL_FROM: Final = 30
"""Runs that must be known for that."""


class Usual:
    """The counts of one population."""

    __slots__ = ("began", "delays", "hours", "learned", "number", "places", "runs")

    def __init__(self, packed: bytes | None) -> None:
        *counts, self.began, self.learned, self.number = _COUNTS.unpack(packed or bytes(SIZE))
        parts = iter(counts)
        self.delays = [[next(parts) for _ in range(_DELAYS)] for _ in range(2)]
        self.hours = [next(parts) for _ in range(_HOURS)]
        self.places = [next(parts) for _ in range(_PLACES)]
        self.runs = [next(parts) for _ in range(_RUNS)]

    def packed(self) -> bytes:
        """The counts as bytes of :data:`SIZE`."""
        return _COUNTS.pack(
            *self.delays[0],
            *self.delays[1],
            *self.hours,
            *self.places,
            *self.runs,
            self.began,
            self.learned,
            self.number,
        )

    def learn(self, sighting: Sighting) -> None:
        """Count a sighting, if it is of the sample."""
        if sighting.at <= self.learned:
            return
        drawn = digest_of(sighting.id, 1)[0] % _ONE_OF == 0
        if self.number >= _FIRST and not drawn:
            return
        self.began = self.began or sighting.at
        self.learned, self.number = sighting.at, min(self.number + 1, _FIRST)
        if (delay := _delay(sighting)) is not None:
            _count(self.delays[sighting.source == "enrol"], delay)
        if drawn:
            _count(self.hours, _hour(sighting))
        if (place := _place(sighting)) is not None:
            _count(self.places, place)

    def learn_run(self, length: int) -> None:
        """Count a run that ended, of a key that was followed by lot."""
        _count(self.runs, _run(length))

    def late(self, sighting: Sighting) -> float | None:
        """How surprising it is that evidence comes so late; ``None`` where that is not known."""
        delay = _delay(sighting)
        counts = self.delays[sighting.source == "enrol"]
        return None if delay is None else _surprise(sum(counts[delay:]), sum(counts))

    def hour(self, sighting: Sighting) -> float:
        """How surprising the hour is."""
        if self.learned - self.began < DAY:
            return 0.0
        own = self.hours[_hour(sighting)]
        return _surprise(sum(count for count in self.hours if count <= own), sum(self.hours))

    def place(self, sighting: Sighting) -> float | None:
        """How surprising it is that a key is used where it did not enrol."""
        place = _place(sighting)
        if place is None:
            return None
        here, elsewhere = self.places[place & ~1], self.places[place | 1]
        return _surprise(elsewhere, here + elsewhere) if place & 1 else 0.0

    def run(self, length: int) -> float:
        """How surprising it is that a key is renewed so often without a pause."""
        number, total = _run(length), sum(self.runs)
        longest = max((index for index, count in enumerate(self.runs) if count), default=0)
        beyond = _TAIL * math.log(2) / 2 * max(0, number - longest)
        return _surprise(sum(self.runs[number:]), total) + (beyond if total >= _TAIL_FROM else 0.0)


def _surprise(rarer: int, total: int) -> float:
    return math.log((total + 1) / (rarer + 1))


def _count(counts: list[int], index: int) -> None:
    counts[index] += 1
    if counts[index] >= 0xFFFF:  # what was long ago counts half
        counts[:] = [count // 2 for count in counts]


def _delay(sighting: Sighting) -> int | None:
    if sighting.delay is None or sighting.handed_along:
        return None
    return min(_DELAYS - 1, int(4 * math.log2(max(sighting.delay, 0.1) / 0.1)))


def _hour(sighting: Sighting) -> int:
    return int(sighting.at // 3_600) % _HOURS


def _place(sighting: Sighting) -> int | None:
    if not sighting.country or not sighting.home_country or sighting.enrolled_hours is None:
        return None
    age = 0 if sighting.enrolled_hours < 1 else 1 if sighting.enrolled_hours < 24 else 2
    return 2 * age + (sighting.country != sighting.home_country)


def _run(length: int) -> int:
    return min(_RUNS - 1, int(2 * math.log2(max(length, 1))))
