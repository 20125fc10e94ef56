"""From the lines of one delivery to what each bucket of the table gets of each line. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bonafide_tokens.counting.key_sketch import KeySketch

from service.tallies.rows import STEPS, BundleSeen, Cell, Why
from service.tallies.tally_line import BucketCounts, LineId, TallyLine


class Bucket(NamedTuple):
    """Which bucket: ``step`` seconds from ``at`` on."""

    app: str
    source: str
    step: int
    at: int


@dataclass(slots=True)
class Counts:
    """What was counted, of however many lines. ``other`` is what has no cell; delays are in seconds."""

    cells: Counter[Cell] = field(default_factory=Counter)
    other: Counter[Why] = field(default_factory=Counter)
    keys: dict[str, KeySketch] = field(default_factory=dict)
    bundle: BundleSeen | None = None
    delay: float = float("inf")
    longest_delay: float = 0.0

    def add(self, more: Counts) -> None:
        """Count all of ``more`` as well."""
        self.cells.update(more.cells)
        self.add_beside_cells(more)

    def add_beside_cells(self, more: Counts) -> None:
        """Count all of ``more`` but its cells."""
        self.other.update(more.other)
        for outcome, sketch in more.keys.items():
            self.keys.setdefault(outcome, KeySketch()).merge(sketch)
        self.bundle = _both(self.bundle, more.bundle)
        self.delay = min(self.delay, more.delay)
        self.longest_delay = max(self.longest_delay, more.longest_delay)


Parts = Mapping[Bucket, Mapping[LineId, Counts]]
"""What each bucket gets, by line: a row remembers lines, so that one that comes again counts once."""


def parts_of(lines: Iterable[TallyLine], *, app_of: Callable[[str], str], now: float) -> Parts:
    """What ``lines`` add to which buckets, counted at ``now``. ``app_of`` says under which app one is counted. A line
    that is there twice counts once."""
    parts: dict[Bucket, dict[LineId, Counts]] = {}
    read: set[LineId] = set()
    for line in lines:
        if line.id in read:
            continue
        read.add(line.id)
        for each in line.counts:
            counts = _counts(each, line.bundle, now)
            for step in STEPS:
                bucket = Bucket(app_of(each.app), line.source, step, each.at - each.at % step)
                parts.setdefault(bucket, {}).setdefault(line.id, Counts()).add(counts)
    return parts


def _counts(each: BucketCounts, bundle: BundleSeen | None, now: float) -> Counts:
    delay = max(0.0, now - each.at - STEPS[0])
    other = Counter({Why(outcome, ""): times for outcome, times in each.other.items()})
    return Counts(Counter(each.cells), other, dict(each.keys), bundle, delay, delay)


def _both(one: BundleSeen | None, other: BundleSeen | None) -> BundleSeen | None:
    if one is None or other is None:
        return one or other
    return BundleSeen(
        min(one.lowest_version, other.lowest_version),
        max(one.highest_version, other.highest_version),
        max(one.oldest_age, other.oldest_age),
    )
