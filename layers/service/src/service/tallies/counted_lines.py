"""Which lines a row has counted, so that a line that is delivered again counts once."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from service.tallies.tally_line import LineId

PROCESSES: Final = 32
"""Processes of which one row counts lines; further ones count in rows of their own."""
REMEMBERED: Final = 128
"""Of each process, the number of the newest line and which of so many before it were counted. A process writes a line
every two seconds of work: Lambda's own repetitions, a minute and three minutes later, come well within that."""

_ENTRY: Final = struct.Struct(">8sQ16s")


@dataclass(slots=True)
class CountedLines:
    """The lines that one row has counted. Processes stand in the order in which they last had one counted."""

    _newest: dict[str, int] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)  # bit i: whether line newest - i was counted

    def __contains__(self, line: LineId) -> bool:
        """Whether the line is known to be counted; one that is older than what is remembered never is."""
        place = self._newest.get(line.process, 0) - line.number
        return 0 <= place < REMEMBERED and bool(self._before[line.process] >> place & 1)

    def knows(self, process: str) -> bool:
        """Whether a line of this process was counted here."""
        return process in self._newest

    @property
    def processes(self) -> int:
        """Of how many processes lines were counted here."""
        return len(self._newest)

    @property
    def room(self) -> int:
        """Of how many further processes lines can be counted here."""
        return max(0, PROCESSES - len(self._newest))

    def add(self, line: LineId) -> None:
        """Remember that the line is counted; where there are too many processes, forget the one idle longest."""
        newest, before = self._newest.pop(line.process, line.number), self._before.pop(line.process, 0)
        place = newest - line.number
        if place < 0:
            newest, before = line.number, (before << -place if -place < REMEMBERED else 0) | 1
        elif place < REMEMBERED:
            before |= 1 << place
        self._newest[line.process], self._before[line.process] = newest, before & (1 << REMEMBERED) - 1
        while len(self._newest) > PROCESSES:
            idle = next(iter(self._newest))
            del self._newest[idle], self._before[idle]

    def to_bytes(self) -> bytes:
        """Inverse of :meth:`from_bytes`."""
        return b"".join(
            _ENTRY.pack(bytes.fromhex(process), newest, self._before[process].to_bytes(REMEMBERED // 8))
            for process, newest in self._newest.items()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What :meth:`to_bytes` wrote. Raises :class:`ValueError`."""
        counted = cls()
        try:
            for process, newest, before in _ENTRY.iter_unpack(data):
                counted._newest[process.hex()] = newest
                counted._before[process.hex()] = int.from_bytes(before)
        except struct.error as error:
            raise ValueError("no lines that were counted") from error
        return counted
