"""Windows of tallies for tests of detectors: chosen counts, minute by minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from service.detection.detector import TallyDetector
from service.detection.finding import Finding
from service.detection.rates.window import HOURS, MINUTES, KnownBuild, TallyWindow, VendorSeen, no_slot, window_of
from service.tallies.rows import FACTS, Cell, TallyRow, Why

APP = "demo"
MONDAY = 1_796_601_600
"""Monday, 00:00 UTC."""
HOUR = 3_600
DAY = 86_400

Cells = dict[tuple[str, ...], int]
"""Outcome, reason and as many facts as wanted, and how often."""
Minute = Mapping[str, Mapping[tuple[str, ...], int]]
"""By source: outcome, reason and as many facts as wanted, and how often."""


def cells_of(source: str, counts: Mapping[tuple[str, ...], int]) -> Counter[Cell]:
    """Cells of a row; facts that are not named are empty."""
    made = Counter[Cell]()
    for (outcome, why, *facts), times in counts.items():
        made[Cell(outcome, why, (*facts, *[""] * (len(FACTS[source]) - len(facts))))] += times
    return made


@dataclass
class Clock:
    """Shows a detector one minute after the other."""

    detector: TallyDetector
    at: int = MONDAY
    app: str = APP
    state: bytes | None = None
    builds: dict[KnownBuild, float] = field(default_factory=dict)
    vendors: Sequence[VendorSeen] = ()
    slot: Callable[[str, str], bytes | None] = no_slot
    apps: Sequence[str] = (APP,)
    writes: int = 0
    _rows: list[TallyRow] = field(default_factory=list)
    _hours: dict[tuple[str, int, str], Counter[Why]] = field(default_factory=dict)

    def minute(self, counts: Minute, *, look: bool = True, app: str = APP) -> Sequence[Finding]:
        """Let a minute with these counts pass, and look at it."""
        self.count(counts, app=app)
        return self.passes(look=look)

    def count(self, counts: Minute, *, app: str = APP) -> None:
        """Count in this minute, which goes on."""
        for source, each in counts.items():
            row = TallyRow(app, source, 60, self.at, cells_of(source, each))
            self._rows.append(row)
            self._hours.setdefault((app, self.at // HOUR * HOUR, source), Counter()).update(row.by_why())

    def passes(self, *, look: bool = True) -> Sequence[Finding]:
        """End the minute."""
        self.at += 60
        return self.look(self.at + 5.0) if look else ()

    def look(self, now: float) -> Sequence[Finding]:
        """What the detector finds now."""
        window = self.window(now)
        state, findings = self.detector.look(window, self.state, now)
        self.writes += state != self.state
        self.state = state
        return findings

    def window(self, now: float) -> TallyWindow:
        """What it is shown."""
        self._rows = [row for row in self._rows if row.at > now - now % 60 - MINUTES * 60]
        oldest = now - now % HOUR - (HOURS - 1) * HOUR
        self._hours = {key: whys for key, whys in self._hours.items() if key[1] >= oldest}
        hours = [
            TallyRow(app, source, HOUR, at, {}, _by_outcome(whys), other_by_why=whys)
            for (app, at, source), whys in self._hours.items()
        ]
        return window_of(self.app, [*self._rows, *hours], now, builds=self.builds, vendors=self.vendors, slot=self.slot)

    def hour(self, counts: Minute) -> None:
        """Let an hour with these counts pass, of which only totals are known, and look a little later."""
        for source, each in counts.items():
            by_why = TallyRow(APP, source, HOUR, self.at, cells_of(source, each)).by_why()
            self._hours[APP, self.at, source] = Counter(by_why)
        self.at += HOUR
        self.look(self.at + 300.0)

    def run(self, hours: float, counts: Callable[[int], Minute], *, every: int = 1) -> list[Finding]:
        """Let hours pass, and look every so many minutes; everything that is found."""
        found: list[Finding] = []
        for _ in range(round(hours * 60)):
            found += self.minute(counts(self.at), look=self.at // 60 % every == 0)
        return found


def _by_outcome(whys: Mapping[Why, int]) -> Counter[str]:
    made: Counter[str] = Counter()
    for why, times in whys.items():
        made[why.outcome] += times
    return made
