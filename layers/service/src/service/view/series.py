"""Tally rows summed over a window: lines, totals, shares, different keys, and what the gate's processes go by.

Nothing is lost: the sum of a line is its total, and decisions whose facts were not kept are in both, unless a filter
asks for facts. Then :attr:`Sums.unrecorded` says how many the filter may miss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from service.tallies.rows import OUTCOMES, KeySketch, TallyRow
from service.view.question import Filters, Window

STANDARD_ERROR: Final = 0.0325
"""Of an estimate of different keys, as a share of it (:class:`~service.tallies.rows.KeySketch`)."""

GATE_SECONDS: Final = 60
"""Which of the gate's rows say what it has now: those of its last minute with decisions."""

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate's processes went by when they last wrote: the lowest and the highest version of the trust bundle,
    and the age of the oldest in seconds. ``until`` is the end of their newest bucket, ``lowest_since`` the beginning of
    each, with the lowest version in it."""

    lowest: int
    highest: int
    age: float
    until: int
    lowest_since: tuple[tuple[int, int], ...] = ()


@dataclass
class Sums:
    """The rows of one window, summed as its filters ask. ``lines`` by source and outcome, a number for each bucket;
    ``reasons`` refusals by source and why; ``data_until`` the end of the newest bucket with counts, whatever the
    filters, and ``delay`` the longest that these took to arrive, in seconds."""

    window: Window
    filters: Filters
    lines: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    unrecorded: Counts = field(default_factory=dict)
    reasons: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    data_until: int | None = None
    delay: float | None = None
    gate: Gate | None = None
    _sketches: dict[tuple[str, str], KeySketch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        points = len(self.window.at)
        for source in self.filters.sources:
            taken = filter(self.filters.takes_outcome, OUTCOMES[source])
            self.lines[source] = {outcome: [0] * points for outcome in taken}
            self.unrecorded[source] = 0

    @cached_property
    def totals(self) -> dict[str, Counts]:
        """By source and outcome."""
        return {source: {outcome: sum(line) for outcome, line in lines.items()} for source, lines in self.lines.items()}

    def refused_share(self, source: str) -> float | None:
        """Of all that a source decided; ``None`` where it decided nothing, decides nothing at all, or one outcome alone
        is asked for."""
        counts = {} if self.filters.outcome else self.totals.get(source, {})
        decided = sum(counts.values())
        return round(counts["refused"] / decided, 6) if decided and "refused" in counts else None

    def unique_keys(self) -> dict[str, dict[str, Mapping[str, float] | None]]:
        """Different keys by source and outcome. ``None`` where nothing says how many: a sketch knows no facts, and a
        decision may have come without a key."""
        return {
            source: {outcome: self._estimate(source, outcome, total) for outcome, total in counts.items()}
            for source, counts in self.totals.items()
        }

    def note_keys(self, source: str, outcome: str, sketch: KeySketch) -> None:
        """Count the keys of a sketch, which stays as it is."""
        known = self._sketches.get((source, outcome))
        if known is None:
            self._sketches[source, outcome] = deepcopy(sketch)
        else:
            known.merge(sketch)

    def reason(self, source: str, outcome: str, why: str, count: int) -> None:
        """Count a reason of refusals."""
        if outcome == "refused":
            self.reasons[source, why] += count

    def _estimate(self, source: str, outcome: str, total: int) -> Mapping[str, float] | None:
        if self.filters.facts:
            return None
        sketch = self._sketches.get((source, outcome))
        if sketch is None:
            return None if total else {"estimate": 0, "error": 0.0}
        return {"estimate": round(sketch.estimate()), "error": STANDARD_ERROR}

    def known_lines(self) -> dict[str, dict[str, list[int | None]]]:
        """The lines, with ``None`` for buckets of the newest hop of which no counts have come yet."""
        known_until = max(self.window.hop, self.data_until or 0)
        known = sum(at < known_until for at in self.window.at)
        return {
            source: {outcome: [*line[:known], *[None] * (len(line) - known)] for outcome, line in lines.items()}
            for source, lines in self.lines.items()
        }


def summed(rows: Iterable[TallyRow], window: Window, filters: Filters) -> Sums:
    """The sums of ``rows``, of any number of sources; those outside the window count for nothing."""
    sums = Sums(window, filters)
    newest: list[TallyRow] = []
    for row in rows:
        if row.at not in window.at:
            continue
        place = (row.at - window.since) // window.step
        _see(sums, row)
        if row.bundle is not None:
            newest.append(row)
        if row.source in sums.lines:
            _add(sums, row, place)
    sums.gate = _gate_of(newest)
    return sums


def _see(sums: Sums, row: TallyRow) -> None:
    end = row.at + row.step
    if sums.data_until is None or end > sums.data_until:
        sums.data_until, sums.delay = end, row.delay
    elif end == sums.data_until:
        sums.delay = max(sums.delay or 0.0, row.delay)


def _add(sums: Sums, row: TallyRow, place: int) -> None:
    source, filters, lines = row.source, sums.filters, sums.lines[row.source]

    def add(outcome: str, count: int) -> None:
        lines.setdefault(outcome, [0] * len(sums.window.at))[place] += count

    for cell, count in row.cells.items():
        if filters.may_miss(source, cell):
            sums.unrecorded[source] += count
        elif filters.takes(source, cell):
            add(cell.outcome, count)
            sums.reason(source, cell.outcome, cell.why, count)
    untold = dict(row.other)
    for (outcome, why), count in row.other_by_why.items():
        untold[outcome] = untold.get(outcome, 0) - count
        if filters.takes_reason(outcome, why):
            sums.unrecorded[source] += 0 if filters.asks_reason_alone else count
            if filters.asks_reason_alone or not filters.facts:
                add(outcome, count)
                sums.reason(source, outcome, why, count)
    for outcome, count in untold.items():
        if filters.takes_outcome(outcome):
            sums.unrecorded[source] += count
            if not filters.facts:
                add(outcome, count)
    for outcome, sketch in row.keys.items():
        if filters.takes_outcome(outcome) and not filters.facts:
            sums.note_keys(source, outcome, sketch)


def _gate_of(rows: list[TallyRow]) -> Gate | None:
    if not rows:
        return None
    since = max(row.at for row in rows) - GATE_SECONDS
    told = [(row.at, row.bundle) for row in rows if row.bundle is not None and row.at > since]
    seen = [bundle for _, bundle in told]
    until = max(row.at + row.step for row in rows)
    lowest = min(bundle.lowest_version for bundle in seen)
    highest = max(bundle.highest_version for bundle in seen)
    lowest_since = tuple((at, bundle.lowest_version) for at, bundle in told)
    return Gate(lowest, highest, max(bundle.oldest_age for bundle in seen), until, lowest_since)
