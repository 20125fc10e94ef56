"""What is usual at an hour of the week: learned from hours that are over, in a state of bounded size.

Two things are known of each series: its volume (times an hour), and its share of a basis (refusals of renewals,
enrolments of renewals). Hours of the same time of day speak for each other: the same day of the week most, days of its
kind (working days, weekends) less, others least; so a rhythm of the day is known after days, and one of the week after
weeks. Older weeks count less. An hour that is far out teaches little, unless it goes on for a day.

How much shares vary beyond chance (the dispersion of a negative binomial) is learned as well, for hours and for spans
of five minutes.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

from service.detection.rates.counts import Counts, Series

HOUR: Final = 3_600
SHORT: Final = 300
"""Seconds of the short spans whose dispersion is learned."""
MAX_SERIES: Final = 48
"""Series that are known apart; further ones are one together for each source."""
OTHER: Final = "(others)"
WEEK: Final = 168
GOES_ON: Final = 24
"""Hours after which what was far out is the new usual."""

_KEPT: Final = 0.7  # of a slot's earlier weeks, each week: half of it is from the last two
_SAME, _ALIKE, _UNLIKE = 1.0, 0.3, 0.1
_WHOLE: Final = 0.005  # the weight of every hour of the week
_DISPERSION: Final = 0.1
_LEAST_DISPERSION: Final = 0.02
_SURE: Final = 20.0  # spans that the first guess of a dispersion stands for
_FADING: Final = 0.005  # what a span replaces of what was learned before: half is from the last 140 spans
_FAR: Final = 4.0
_MOST_RISE: Final = 3.0
_FORGOTTEN: Final = 0.05
_ROUND: Final = 1 + 1 / 512
_LARGEST: Final = 1 << 20
_VERSION: Final = 1


class Usual(NamedTuple):
    """What is expected of a series in a span: ``mean`` by its share of the basis, with the ``dispersion`` that holds
    for it; ``volume`` by the clock alone; ``hours`` is of how many hours of the same time of day that is known."""

    mean: float
    dispersion: float
    volume: float
    hours: float


@dataclass(slots=True)
class _Spread:
    """Sums of squares from which a dispersion follows, and for how many hours the series is far out by now."""

    long: list[float] = field(default_factory=lambda: [_DISPERSION * _SURE, _SURE])
    short: list[float] = field(default_factory=lambda: [_DISPERSION * _SURE, _SURE])
    far: int = 0


def _flat() -> list[float]:
    return [0.0] * WEEK


@dataclass(slots=True)
class Rhythm:
    """The rhythm of one app. ``first`` and ``last`` are the first and the newest hour learned, in hours since 1970."""

    first: int = -1
    last: int = -1
    visits: list[float] = field(default_factory=_flat)
    bases: dict[str, list[float]] = field(default_factory=dict)
    times: dict[Series, list[float]] = field(default_factory=dict)
    spreads: dict[Series, _Spread] = field(default_factory=dict)

    def age(self, now: float) -> float:
        """For how many days the app is known."""
        return 0.0 if self.first < 0 else (now / HOUR - self.first) / 24

    def known(self, counts: Counts) -> Counts:
        """``counts`` by the series that are known apart, and those that still may be."""
        room = MAX_SERIES - len(self.times)
        times: Counter[Series] = Counter()
        for series, count in counts.times.most_common():
            if series not in self.times:
                if room <= 0:
                    series = series._replace(why=OTHER)
                room -= 1
            times[series] += count
        return Counts(times, counts.bases)

    def usual(self, series: Series, basis: float, at: float, seconds: float) -> Usual:
        """What is expected of ``series`` in the ``seconds`` from ``at`` on, in which its basis was counted ``basis``
        times."""
        hour = int(at // HOUR)
        times, bases = self.times.get(series), self.bases.get(series.basis)
        visits = _alike(self.visits, hour)
        seen = _alike(times, hour) if times else 0.0
        made = _alike(bases, hour) if bases else 0.0
        spread = self.spreads.get(series) or _Spread()
        above, below = spread.short if seconds <= 3 * SHORT else spread.long
        dispersion = max(_LEAST_DISPERSION, above / below)
        # What is usual was itself seen a few times only: that is part of how far a count may be from it.
        unsure = dispersion / max(visits, 0.5) + 1 / (seen + 0.5)
        nearer = hour - 1 if (at + seconds / 2) % HOUR < HOUR / 2 else hour + 1  # a rhythm goes up within an hour
        volume = max(self._volume(times, hour), self._volume(times, nearer))
        return Usual(
            (seen + 0.5) / max(made, 1.0) * basis, dispersion + unsure, (volume + 0.5) * seconds / HOUR, visits
        )

    def _volume(self, times: list[float] | None, hour: int) -> float:
        return 0.0 if times is None else _alike(times, hour) / max(_alike(self.visits, hour), 1e-9)

    def learn(self, hour: int, counts: Counts, short: Iterable[Counts] = ()) -> None:
        """Learn from the hour that began at ``hour`` (hours since 1970), and from spans of five minutes in it."""
        counts = self.known(counts)
        warm = self.first >= 0 and hour - self.first >= 24
        taught: dict[Series, float] = {}
        for series in {*self.times, *counts.times}:
            count, basis = counts.times[series], counts.bases[series.basis]
            taught[series] = float(count)
            if not warm:
                continue
            spread = self.spreads.setdefault(series, _Spread())
            usual = self.usual(series, basis, hour * HOUR, HOUR)
            taught[series] = self._taught(series, spread, count, basis, usual)
            _learn_spread(spread.long, count, usual)
            for each in short:
                of = each.bases[series.basis]
                _learn_spread(spread.short, each.times[series], self.usual(series, of, hour * HOUR, SHORT))
        self._add(hour, taught, counts.bases)

    def _taught(self, series: Series, spread: _Spread, count: int, basis: int, usual: Usual) -> float:
        """How often an hour is said to have had a series: no more than three times what is usual, unless that goes on
        for a day; then the level is the new one, at all hours."""
        most = _MOST_RISE * max(usual.mean, usual.volume) + 5
        spread.far = spread.far + 1 if count > most else 0
        if spread.far < GOES_ON:
            return min(float(count), most)
        spread.far = 0
        share, bases = count / max(1, basis), self.bases.get(series.basis) or _flat()
        self.times[series] = [share * made for made in bases]
        return float(count)

    def _add(self, hour: int, taught: Mapping[Series, float], bases: Mapping[str, int]) -> None:
        slot = hour % WEEK
        for series in taught:
            self.times.setdefault(series, _flat())
        for basis in bases:
            self.bases.setdefault(basis, _flat())
        for known in (*self.times.values(), *self.bases.values(), self.visits):
            known[slot] *= _KEPT
        self.visits[slot] += 1
        for series, times in taught.items():
            self.times[series][slot] += times
        for basis, made in bases.items():
            self.bases[basis][slot] += made
        for series in [series for series, column in self.times.items() if sum(column) < _FORGOTTEN]:
            del self.times[series]
            self.spreads.pop(series, None)
        if self.first < 0:
            self.first = hour
        self.last = hour

    def to_bytes(self) -> bytes:
        """Inverse of :meth:`from_bytes`."""
        head = {
            "v": _VERSION,
            "at": [self.first, self.last],
            "bases": list(self.bases),
            "series": [[*series, *self._spread_of(series)] for series in self.times],
        }
        text = json.dumps(head, separators=(",", ":")).encode()
        columns = [self.visits, *self.bases.values(), *self.times.values()]
        numbers = [value * _ROUND for column in columns for value in column]
        data = struct.pack(f">{len(numbers)}f", *numbers)
        return zlib.compress(len(text).to_bytes(4) + text + data[0::4] + data[1::4], 6)

    def _spread_of(self, series: Series) -> list[float]:
        spread = self.spreads.get(series) or _Spread()
        return [*(float(f"{value:.4g}") for value in (*spread.long, *spread.short)), spread.far]

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Self:
        """What :meth:`to_bytes` wrote; a new rhythm from ``None``. Raises :class:`ValueError`."""
        if data is None:
            return cls()
        try:
            unpacker = zlib.decompressobj()
            plain = unpacker.decompress(data, _LARGEST)
            size = 4 + int.from_bytes(plain[:4])
            head, packed = json.loads(plain[4:size]), plain[size:]
            half = len(packed) // 2
            quads = bytearray(4 * half)
            quads[0::4], quads[1::4] = packed[:half], packed[half:]
            numbers = struct.unpack(f">{half}f", quads)
            columns = [list(numbers[begin : begin + WEEK]) for begin in range(0, half, WEEK)]
            bases, rows = head["bases"], head["series"]
            found = cls(int(head["at"][0]), int(head["at"][1]), columns[0])
            found.bases = dict(zip(bases, columns[1:], strict=False))
            for row, column in zip(rows, columns[1 + len(bases) :], strict=True):
                series = Series(*row[:3])
                found.times[series] = column
                found.spreads[series] = _Spread(row[3:5], row[5:7], row[7])
            return found
        except (KeyError, TypeError, IndexError, struct.error, zlib.error) as error:
            raise ValueError("no rhythm") from error


def _alike(column: list[float], hour: int) -> float:
    """A sum over hours that are like ``hour``, each weighted by how alike it is. Unix time began on a Thursday."""
    of_day, day = hour % 24, hour // 24 % 7
    total = _WHOLE * sum(column)
    weekend = day in _WEEKEND
    for other in range(7):
        weight = _SAME if other == day else _ALIKE if (other in _WEEKEND) == weekend else _UNLIKE
        total += weight * column[other * 24 + of_day]
    return total


_WEEKEND: Final = (2, 3)


def _learn_spread(sums: list[float], count: int, usual: Usual) -> None:
    """By moments: of the squared distance from the mean, what chance alone would not have. Spans of which much is
    expected count for one at most; one that is far out counts as if it were less far."""
    mean, dispersion = usual.mean, max(_LEAST_DISPERSION, sums[0] / sums[1])
    if mean <= 0:
        return
    limit = _FAR * math.sqrt(mean + usual.dispersion * mean * mean) + 1
    distance = min(abs(count - mean), limit)
    weight = (dispersion / (1 + dispersion * mean)) ** 2
    told = weight * mean * mean
    sums[0] = max(0.0, sums[0] * (1 - _FADING * told) + weight * (distance * distance - mean))
    sums[1] = sums[1] * (1 - _FADING * told) + told
