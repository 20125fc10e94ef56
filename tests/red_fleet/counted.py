"""Decisions counted as in the product: tallies of a process, their lines, the rows that these make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bonafide_tokens.counting.tally import Cell, Tally
from service.detection.rates.window import SOURCES, KnownBuild, TallyWindow, VendorSeen, spans, window_of
from service.tallies.merging import Bucket, parts_of
from service.tallies.rows import TallyRow
from service.tallies.tally_item import StoredTally
from service.tallies.tally_line import read_tally_line

_PROCESS = "5eedf1ee75eedf1e"


@dataclass(slots=True)
class Counting:
    """One process of each source, and a table in memory."""

    app: str
    _lines: list[str] = field(default_factory=list)
    _tallies: dict[str, Tally] = field(default_factory=dict)
    _table: dict[Bucket, StoredTally] = field(default_factory=dict)
    _rows: dict[Bucket, TallyRow] = field(default_factory=dict)
    _number: int = 0

    def count(self, source: str, at: float, outcome: str, why: str, facts: tuple[str, ...], key_id: str = "") -> None:
        """Count one decision."""
        tally = self._tallies.get(source)
        if tally is None:
            tally = self._tallies[source] = Tally(source, self._lines.append, self._head)
        tally.count(at, Cell(self.app, outcome, why, facts), key_id)

    def deliver(self, now: float) -> None:
        """Read the lines that there are by now, and add them to the rows of the table."""
        for tally in self._tallies.values():
            tally.flush()
        lines = [read_tally_line(text, now=now) for text in self._lines]
        self._lines.clear()
        for bucket, parts in parts_of(lines, app_of=str, now=now).items():
            if bucket.step == 2:
                continue
            stored = self._table.setdefault(bucket, StoredTally())
            for line, counts in parts.items():
                stored.add(line, counts)
            self._rows[bucket] = _row(bucket, stored)

    def window(
        self,
        now: float,
        *,
        app: str,
        builds: Mapping[KnownBuild, float],
        vendors: Sequence[VendorSeen],
        slot: Callable[[str, str], bytes | None],
    ) -> TallyWindow:
        """What a runner would read at ``now``."""
        buckets = (
            Bucket(self.app, source, span.step, at)
            for span in spans(now)
            for source in SOURCES
            for at in range(span.since, span.until, span.step)
        )
        rows = [self._rows[bucket] for bucket in buckets if bucket in self._rows]
        return window_of(app, rows, now, builds=builds, vendors=vendors, slot=slot)

    def forget(self, before: float) -> None:
        """Delete rows that no window shows any more."""
        for bucket in [bucket for bucket in self._table if bucket.at + bucket.step < before]:
            del self._table[bucket], self._rows[bucket]

    def _head(self, _at: int) -> dict[str, object]:
        self._number += 1
        return {"message": "tally", "id": f"{_PROCESS}-{self._number}"}


def _row(bucket: Bucket, stored: StoredTally) -> TallyRow:
    """As :mod:`service.tallies.reader` makes it of what is stored."""
    counts = stored.counts
    other: dict[str, int] = {}
    for why, times in counts.other.items():
        other[why.outcome] = other.get(why.outcome, 0) + times
    return TallyRow(
        bucket.app,
        bucket.source,
        bucket.step,
        bucket.at,
        cells=counts.cells,
        other=other,
        keys=counts.keys,
        bundle=counts.bundle,
        delay=counts.delay,
        other_by_why=counts.other,
        longest_delay=counts.longest_delay,
    )
