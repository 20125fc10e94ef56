"""Rows of what is over, from the memory of the process: a console asks every two seconds, and most of a window is as it
was.

Time is cut into pieces of a minute, an hour or a day, by the length of the buckets. The newest pieces are read each
time. Older ones are remembered for :data:`KEPT` seconds, so a count that comes late (from a process that was frozen) is
seen so much later; it is in the table at once. Pieces that are missing and lie side by side are read together.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Final, NamedTuple

from service.tallies.rows import Tallies, TallyRow

KEPT: Final = 30.0
_MOST_ROWS: Final = 6_000
"""Rows that a process remembers; of the largest, some 200 MB."""

_PIECES: Final = {2: 60, 60: 3_600, 3_600: 86_400}
_SETTLED: Final = 60
"""Seconds after its end from which a piece is remembered: what comes later than that came from a frozen process."""


class _Piece(NamedTuple):
    app: str
    source: str
    step: int
    begin: int


class _Known(NamedTuple):
    rows: tuple[TallyRow, ...]
    read_at: float


@dataclass(slots=True)
class RememberedTallies:
    """:class:`~service.tallies.rows.Tallies` over ``table``. Safe to share between threads; a reader must not change
    the rows."""

    table: Tallies
    clock: Callable[[], float] = time
    _known: OrderedDict[_Piece, _Known] = field(default_factory=OrderedDict, init=False, repr=False)
    _held: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def rows(self, app: str, sources: Sequence[str], *, step: int, since: float, until: float) -> Sequence[TallyRow]:
        """As the protocol says."""
        now, length = self.clock(), _PIECES[step]
        begins = range(int(since) // length * length, -(-int(until) // length) * length, length)
        found = self._remembered([_Piece(app, source, step, begin) for source in sources for begin in begins], now)
        missing = [begin for begin in begins if any(_Piece(app, one, step, begin) not in found for one in sources)]
        for begin, end in _spans(missing, length):
            read = self.table.rows(app, sources, step=step, since=begin, until=end)
            for source in sources:
                of_source = [row for row in read if row.source == source]
                for at in range(begin, end, length):
                    rows = tuple(row for row in of_source if at <= row.at < at + length)
                    found[_Piece(app, source, step, at)] = rows
                    self._keep(_Piece(app, source, step, at), rows, now)
        return [
            row
            for source in sources
            for begin in begins
            for row in found[_Piece(app, source, step, begin)]
            if since <= row.at < until
        ]

    def _remembered(self, pieces: Sequence[_Piece], now: float) -> dict[_Piece, tuple[TallyRow, ...]]:
        with self._lock:
            known = {piece: self._known[piece] for piece in pieces if piece in self._known}
        return {piece: one.rows for piece, one in known.items() if 0 <= now - one.read_at < KEPT}

    def _keep(self, piece: _Piece, rows: tuple[TallyRow, ...], now: float) -> None:
        if now < piece.begin + _PIECES[piece.step] + _SETTLED:
            return
        with self._lock:
            self._drop(piece)
            self._known[piece] = _Known(rows, now)
            self._held += len(rows) + 1
            while self._held > _MOST_ROWS:
                self._drop(next(iter(self._known)))

    def _drop(self, piece: _Piece) -> None:
        known = self._known.pop(piece, None)
        if known is not None:
            self._held -= len(known.rows) + 1


def _spans(begins: Sequence[int], length: int) -> list[tuple[int, int]]:
    """Pieces that lie side by side, as one span each."""
    spans: list[tuple[int, int]] = []
    for at in begins:
        begin = spans.pop()[0] if spans and spans[-1][1] == at else at
        spans.append((begin, at + length))
    return spans
