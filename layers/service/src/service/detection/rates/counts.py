"""Counts of one span of time, as rhythms know them: of each series how often, and of what it is a share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from service.tallies.rows import TallyRow


class Series(NamedTuple):
    """What is counted over time: ``why`` of a source (or a vendor), beside the ``basis`` that it is a share of."""

    source: str
    why: str
    basis: str


@dataclass(slots=True)
class Counts:
    """How often each series was counted, and each basis."""

    times: Counter[Series] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)

    def share(self, series: Series) -> float:
        """How many there were of a series for each one of its basis."""
        return self.times[series] / max(1, self.bases[series.basis])


Reading = Callable[[TallyRow, Counts], None]
"""Adds what a detector sees in one row."""


def counts_of(rows: Iterable[TallyRow], read: Reading) -> Counts:
    """All of ``rows`` together."""
    counts = Counts()
    for row in rows:
        read(row, counts)
    return counts
