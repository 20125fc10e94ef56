"""Copies changed rows between the regions' stand-ins, after a delay, both ways, the later write winning.

What it stands for is DynamoDB's global tables with eventual consistency. A cut link keeps what is under way until it is
joined again; what a region had not handed on when it died is gone with it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from devkit.regions.rows import Change, Item, RegionRows
from devkit.regions.tables import RegionGone

LOOK: Final = 0.1
"""Seconds between two looks at the change streams."""
_ATTEMPTS: Final = 20
"""How often one row is tried while functions write it; then it waits for the next look."""


class Tables(Protocol):
    """A region's tables: :class:`devkit.regions.tables.RegionTables`."""

    name: str

    def changes(self) -> list[Change]:
        """What was written since the last call."""

    def write(self, change: Change, known: Item | None) -> bool | None:
        """Write another region's change, unless the row is no longer what is known."""


@dataclass(slots=True)
class Counts:
    """What replication did so far: rows `copied`, writes that a later one of another region `lost` to, copies that
    were `repeated`, since a function wrote the row at the same moment."""

    copied: int = 0
    lost: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Replicator:
    """Replication between all regions that are added. `delay` is in seconds, from the write to the copy; `clock` in
    Unix seconds.

    Safe to use from several threads: one calls :meth:`step` again and again, or :meth:`start` has a thread do it.
    """

    delay: float = 1.0
    clock: Callable[[], float] = time.time
    counts: Counts = field(init=False, default_factory=Counts)
    _regions: dict[str, Tables] = field(init=False, default_factory=dict)
    _rows: dict[str, RegionRows] = field(init=False, default_factory=dict)
    _under_way: list[tuple[float, int, str, Change]] = field(init=False, default_factory=list)
    _numbers: itertools.count[int] = field(init=False, default_factory=itertools.count)
    _cut: bool = field(init=False, default=False)
    _lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    _stopping: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    @property
    def under_way(self) -> int:
        """How many copies are still to be made."""
        with self._lock:
            return len(self._under_way)

    def start(self) -> None:
        """Have a thread replicate until :meth:`stop`."""
        self._thread = threading.Thread(target=self._run, name="replicator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. What is under way stays so."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def add(self, region: Tables) -> None:
        """Let one more region take part: it gets every row of the others at once, as a new replica does."""
        with self._lock:
            for other in self._regions.values():
                self._look(other)
            rows = RegionRows()
            for known in list(self._rows.values()):
                for change in known.holding():
                    if rows.takes(change):
                        told = region.write(change, rows.there(change.row))
                        rows.took(change, told=bool(told))
            self._regions[region.name], self._rows[region.name] = region, rows

    def cut(self) -> None:
        """Part the regions: nothing arrives, and nothing is lost."""
        self._cut = True

    def join(self) -> None:
        """Put an end to :meth:`cut`."""
        self._cut = False

    def died(self, name: str) -> None:
        """A region is gone, and with it what it had not handed on."""
        with self._lock:
            self._regions.pop(name, None)
            self._under_way = [one for one in self._under_way if name not in (one[2], one[3].written.region)]
            heapq.heapify(self._under_way)

    def step(self) -> None:
        """Look at all change streams once, and write what is due."""
        with self._lock:
            for region in list(self._regions.values()):
                self._look(region)
            now = self.clock()
            while self._under_way and not self._cut and self._under_way[0][0] <= now:
                _, _, name, change = heapq.heappop(self._under_way)
                if name in self._regions:
                    self._deliver(self._regions[name], change)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK):
            self.step()

    def _look(self, region: Tables) -> None:
        """Take in what a region's functions wrote."""
        rows = self._rows[region.name]
        try:
            changes = region.changes()
            for change in changes:
                if rows.saw(change):
                    self._send(change)
            for row in {change.row for change in changes}:
                holds = rows.misplaced(row)
                if holds is not None:
                    self._write(region, holds)
        except RegionGone:
            self.died(region.name)

    def _send(self, change: Change) -> None:
        due = change.written.milliseconds / 1000 + self.delay
        for region in list(self._regions.values()):
            if region.name != change.written.region:
                heapq.heappush(self._under_way, (due, next(self._numbers), region.name, change))

    def _deliver(self, region: Tables, change: Change) -> None:
        for _ in range(_ATTEMPTS):
            if not self._rows[region.name].takes(change):
                self.counts.lost += 1
                return
            try:
                if self._write(region, change):
                    self.counts.copied += 1
                    return
            except RegionGone:
                self.died(region.name)
                return
            self.counts.repeated += 1
            self._look(region)
        heapq.heappush(self._under_way, (self.clock() + LOOK, next(self._numbers), region.name, change))

    def _write(self, region: Tables, change: Change) -> bool:
        rows = self._rows[region.name]
        told = region.write(change, rows.there(change.row))
        if told is not None:
            rows.took(change, told=told)
        return told is not None
