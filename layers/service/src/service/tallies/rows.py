"""What was counted in one bucket of time, as readers of the ``tallies`` table see it.

A *tally* counts the decisions of one app and source in one bucket. Texts in it (reasons aside) are what devices say of
themselves: they are shown as text, and nothing is decided by them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from bonafide_tokens.counting.key_sketch import KeySketch as KeySketch

STEPS: Final = (2, 60, 3600)
"""Lengths of buckets, in seconds; each begins at a multiple of its length."""

UNKNOWN_APP: Final = "-"
"""The app of what was counted for none that is registered."""

JUDGED: Final = ("accepted", "refused", "unavailable")
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "enrol": JUDGED,
    "renew": JUDGED,
    "signal": JUDGED,
    "secret": JUDGED,
    "authorize": JUDGED,
    "challenge": ("issued", "returned", "refused", "unavailable"),
    "beacon": ("reported", "refused", "unavailable"),
}
"""Sources, and how a decision of each can end. ``returned``: a challenge that was asked for came with a renewal."""

FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "enrol": ("platform", "app_build", "os", "model", "country"),
    "renew": ("platform", "app_build", "os", "model", "country"),
    "signal": ("platform", "app_build", "os", "model", "country"),
    "secret": ("platform", "app_build", "os", "model", "country"),
    "authorize": ("route", "request_class", "platform", "app_build"),
    "challenge": (),
    "beacon": ("platform", "app_build", "os", "model"),
}
"""Names of the facts of each source's cells, in their order."""


class Why(NamedTuple):
    """How a decision ended, and its reason: of a refusal as decision lines name it, ``rule:<id>`` where a rule of the
    policy decided, a beacon's code; empty for plain acceptances, and where it was not told."""

    outcome: str
    why: str


class Cell(NamedTuple):
    """What is counted together. ``facts`` are those that :data:`FACTS` names for the source, empty texts where they are
    not known."""

    outcome: str
    why: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BundleSeen:
    """The trust bundles by which a gate decided: lowest and highest version, and the greatest age in seconds."""

    lowest_version: int
    highest_version: int
    oldest_age: float


@dataclass(frozen=True, slots=True)
class TallyRow:
    """One bucket of one app and source, merged over the rows that hold parts of it.

    ``at`` is its first second (Unix time), ``step`` its length. ``cells`` are exact as long as the bucket has no more
    of them than :data:`~service.tallies.tally_item.MAX_CELLS`. What went beyond is in ``other`` by outcome, and in
    ``other_by_why`` by outcome and reason as well: the same decisions, counted both ways. ``keys`` has estimates by
    outcome. ``delay`` and ``longest_delay`` are the shortest and longest times, in seconds, from the end of two seconds
    to when they were counted here: the first is the way's, the second a process's that was frozen. ``processes`` is how
    many counted it, as far as rows remember them.
    """

    app: str
    source: str
    step: int
    at: int
    cells: Mapping[Cell, int] = field(default_factory=dict)
    other: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, KeySketch] = field(default_factory=dict)
    bundle: BundleSeen | None = None
    delay: float = 0.0
    other_by_why: Mapping[Why, int] = field(default_factory=dict)
    longest_delay: float = 0.0
    processes: int = 0

    def by_outcome(self) -> Mapping[str, int]:
        """How many decisions of each outcome there were: exact."""
        totals = Counter(dict(self.other))
        for cell, times in self.cells.items():
            totals[cell.outcome] += times
        return totals

    def by_why(self) -> Mapping[Why, int]:
        """How many decisions there were of each outcome and reason: exact as far as processes told the reason."""
        totals = Counter(dict(self.other_by_why))
        for cell, times in self.cells.items():
            totals[Why(cell.outcome, cell.why)] += times
        return totals


class Tallies(Protocol):
    """Where tallies are read."""

    def rows(self, app: str, sources: Sequence[str], *, step: int, since: float, until: float) -> Sequence[TallyRow]:
        """The buckets of ``step`` seconds that begin in [since, until), one row for each source and bucket in which
        something was counted, by source (in the order asked for) and time. ``app`` may be :data:`UNKNOWN_APP`. Raises
        :class:`~service.errors.Unavailable`."""
        ...
