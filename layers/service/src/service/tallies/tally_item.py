"""A row of the ``tallies`` table: what it holds, and that it never takes more than 8 KB.

Every write pays for the whole row, in kilobytes. So each part has a share of the row, compressed: cells of accepted
decisions, cells of all others (a flood of either pushes none of the other out), the remainder by outcome and reason,
estimates of keys, the lines that were counted.

A cell that was taken in stays, and is exact from then on; what comes when there is no room any more goes into the
remainder. So a bucket with up to :data:`MAX_CELLS` different cells of accepted decisions, and as many others, has them
all, exactly, if they fit: with texts as long as allowed and as random as possible, only a few of either do.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from bonafide_tokens.counting.key_sketch import REGISTERS, KeySketch
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import b64url_decode, b64url_encode

from service.errors import Unreadable
from service.tallies.counted_lines import CountedLines
from service.tallies.merging import Bucket, Counts
from service.tallies.rows import BundleSeen, Cell, Why
from service.tallies.tally_line import LineId

MAX_ROW: Final = 8_192
"""Bytes of a row, as DynamoDB counts them."""
MAX_CELLS: Final = 64
"""Cells of accepted decisions that are exact in a bucket, and as many of all other outcomes."""

_ACCEPTED_ROOM: Final = 1_400
_REFUSED_ROOM: Final = 2_200
_OTHER_ROOM: Final = 900
_GROWTH: Final = 180  # bytes by which the counts of cells that are in may grow
_LARGEST: Final = 64 * 1024  # bytes of a part, unpacked; no part of ours has as many
_PERIODS: Final = {2: 3_600, 60: 86_400, 3_600: 30 * 86_400}
KEPT_DAYS: Final = {2: 2, 60: 15}
"""For how many days rows of two seconds and of a minute are kept; those of an hour by a setting. More than the day for
which a line may come late, so that no row goes before all of its lines are there."""


@dataclass(slots=True)
class StoredTally:
    """What a row holds: the counts, and of which lines they are."""

    counts: Counts = field(default_factory=Counts)
    lines: CountedLines = field(default_factory=CountedLines)
    settled: int = 0
    """Cells that were there when the row was read."""

    def add(self, line: LineId, counts: Counts) -> bool:
        """Count what a line says, unless it was counted before; whether it was not."""
        if line in self.lines:
            return False
        self.lines.add(line)
        ours = self.counts
        ours.add_beside_cells(counts)
        held = Counter(map(_is_accepted, ours.cells))
        for cell, times in sorted(counts.cells.items(), key=_most_first):
            if cell in ours.cells:
                ours.cells[cell] += times
            elif held[_is_accepted(cell)] < MAX_CELLS:
                ours.cells[cell] = times
                held[_is_accepted(cell)] += 1
            else:
                ours.other[Why(cell.outcome, cell.why)] += times
        return True

    def to_item(self) -> dict[str, object]:
        """The attributes that hold it. What does not fit is moved to the remainder first."""
        ours = self.counts
        accepted = self._fitting(_is_accepted, _ACCEPTED_ROOM)
        refused = self._fitting(lambda cell: not _is_accepted(cell), _REFUSED_ROOM)
        bundle = ours.bundle
        return {
            "accepted": accepted,
            "refused": refused,
            "other": self._other(),
            "keys": {outcome: _pack(_registers(sketch)) for outcome, sketch in ours.keys.items()},
            "lines": _pack(self.lines.to_bytes()),
            "delays": [_milliseconds(ours.delay), _milliseconds(ours.longest_delay)],
            "bundle": None
            if bundle is None
            else [bundle.lowest_version, bundle.highest_version, _milliseconds(bundle.oldest_age)],
        }

    def _fitting(self, belongs: Callable[[Cell], bool], room: int) -> bytes | None:
        """The cells of one part, packed; those that came last leave it, as many as must."""
        cells = self.counts.cells
        own = [cell for cell in cells if belongs(cell)]
        rows = [(*cell, cells[cell]) for cell in own]
        settled = sum(map(belongs, list(cells)[: self.settled]))
        fit = _most_that_fit(rows, settled, len(rows), room - _GROWTH)
        if fit == settled:
            fit = _most_that_fit(rows, 0, settled, room)
        for cell in own[fit:]:
            self.counts.other[Why(cell.outcome, cell.why)] += cells.pop(cell)
        return _pack(_json(rows[:fit])) if fit else None

    def _other(self) -> bytes | None:
        """The remainder, packed. Reasons beyond the room are counted without their name."""
        other = self.counts.other
        whys = list(other)
        fit = _most_that_fit([(*why, other[why]) for why in whys], 0, len(whys), _OTHER_ROOM - _GROWTH)
        for why in whys[fit:]:
            times = other.pop(why)
            other[Why(why.outcome, "")] += times
        return _pack(_json([(*why, times) for why, times in other.items()])) if other else None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What :meth:`to_item` wrote. Raises :class:`~service.errors.Unreadable` for anything else."""
        try:
            counts = Counts()
            for part in ("accepted", "refused"):
                for outcome, why, facts, times in _rows(row.get(part)):
                    counts.cells[Cell(outcome, why, tuple(facts))] = times
            for outcome, why, times in _rows(row.get("other")):
                counts.other[Why(outcome, why)] = times
            counts.keys = {outcome: _sketch(_unpack(data)) for outcome, data in row["keys"].items()}
            counts.delay, counts.longest_delay = (each / 1000 for each in row["delays"])
            if row.get("bundle") is not None:
                lowest, highest, age = row["bundle"]
                counts.bundle = BundleSeen(lowest, highest, age / 1000)
            return cls(counts, CountedLines.from_bytes(_unpack(row["lines"])), len(counts.cells))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, TokenError, zlib.error) as error:
            raise Unreadable("a row of the tallies table cannot be read") from error


def partition(app: str, source: str, step: int, at: int) -> str:
    """The partition key of a bucket's rows: those of an hour, a day or a month together, by step."""
    return f"{app}#{source}#{step}#{at // _PERIODS[step]}"


def partitions(app: str, source: str, step: int, since: int, until: int) -> Sequence[str]:
    """The partition keys of all buckets that begin in [since, until)."""
    period = _PERIODS[step]
    return [partition(app, source, step, each * period) for each in range(since // period, (until - 1) // period + 1)]


def sort_key(at: int, node: int = 0) -> str:
    """The sort key of a bucket's row; ``node`` tells apart those of one bucket."""
    return f"{at:012d}#{node:03d}"


def kept_until(bucket: Bucket, hour_days: int) -> int:
    """When a row may be deleted (Unix seconds); rows of an hour are kept ``hour_days``."""
    return bucket.at + bucket.step + KEPT_DAYS.get(bucket.step, hour_days) * 86_400


def at_of(key: str) -> int:
    """The time in a sort key. Raises :class:`ValueError`."""
    return int(key.partition("#")[0])


def _is_accepted(cell: Cell) -> bool:
    return cell.outcome == "accepted"


def _most_first(counted: tuple[Cell, int]) -> tuple[int, Cell]:
    cell, times = counted
    return -times, cell


def _most_that_fit(rows: Sequence[object], least: int, most: int, room: int) -> int:
    """How many of the first rows fit into ``room`` bytes, at least ``least`` and at most ``most``."""
    if len(_pack(_json(rows[:most]))) <= room:
        return most
    while most - least > 1:
        middle = (least + most) // 2
        if len(_pack(_json(rows[:middle]))) <= room:
            least = middle
        else:
            most = middle
    return least


def _registers(sketch: KeySketch) -> bytes:
    """A byte for each register: packed, that is shorter than a sketch's text from a hundred keys on."""
    registers, pairs = bytearray(REGISTERS), b64url_decode(sketch.to_text())
    for high, low in zip(pairs[::2], pairs[1::2], strict=True):
        registers[high << 2 | low >> 6] = low & 63
    return bytes(registers)


def _sketch(registers: bytes) -> KeySketch:
    found = (register << 6 | rank for register, rank in enumerate(registers) if rank)
    return KeySketch.from_text(b64url_encode(b"".join(each.to_bytes(2) for each in found)))


def _milliseconds(seconds: float) -> int:
    return round(min(seconds, 1e9) * 1000)


def _json(rows: Sequence[object]) -> bytes:
    return json.dumps(rows, separators=(",", ":")).encode("ascii")


def _rows(data: bytes | None) -> Sequence[Any]:
    found: Sequence[Any] = [] if data is None else json.loads(_unpack(data))
    return found


def _pack(data: bytes) -> bytes:
    return zlib.compress(data, 6)


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(data, _LARGEST)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("too long, too short, or followed by something")
    return found
