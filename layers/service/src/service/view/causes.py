"""Why devices are refused, and what of it changed: decisions by up to three facts, against the same time before."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.tallies.rows import TallyRow
from service.view.dimensions import knows, lacks_facts, value_of
from service.view.question import Filters, Window


class Cause(NamedTuple):
    """What decisions have in common: ``facts`` in the order of the dimensions asked for, ``None`` where the source does
    not know one."""

    source: str
    outcome: str
    facts: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many decisions of each cause, when each was first seen (the beginning of its bucket), and how many decisions
    have no facts."""

    counts: dict[Cause, int]
    first: dict[Cause, int]
    remainder: int


def counted(rows: Iterable[TallyRow], filters: Filters, by: Sequence[str], *, until: float = math.inf) -> Counted:
    """The causes of decisions in ``rows`` that begin before ``until``."""
    counts: dict[Cause, int] = defaultdict(int)
    first: dict[Cause, int] = {}
    remainder = 0
    for row in rows:
        if row.at >= until or row.source not in filters.sources:
            continue
        remainder += _rest(row, filters, by, counts, first)
        for cell, count in row.cells.items():
            if filters.may_miss(row.source, cell):
                remainder += count
                continue
            if not filters.takes(row.source, cell):
                continue
            if any(lacks_facts(row.source, cell, name) for name in by):
                remainder += count
                continue
            known = (value_of(row.source, cell, name) if knows(row.source, name) else None for name in by)
            cause = Cause(row.source, cell.outcome, tuple(known))
            counts[cause] += count
            first[cause] = min(row.at, first.get(cause, row.at))
    return Counted(counts, first, remainder)


def _rest(row: TallyRow, filters: Filters, by: Sequence[str], counts: dict[Cause, int], first: dict[Cause, int]) -> int:
    """What is in no cell of a row: counted where its reason is all that is asked for, else how much it is."""
    rest = {outcome: count for outcome, count in row.other.items() if filters.takes_outcome(outcome)}
    reasons_do = set(by) <= {"why", "source"} and (not filters.facts or filters.asks_reason_alone)
    for (outcome, why), count in row.other_by_why.items():
        if outcome not in rest:
            continue
        if not filters.takes_reason(outcome, why):
            rest[outcome] -= count
        elif reasons_do:
            rest[outcome] -= count
            cause = Cause(row.source, outcome, tuple(row.source if name == "source" else why for name in by))
            counts[cause] += count
            first[cause] = min(row.at, first.get(cause, row.at))
    return sum(rest.values())


def surprise(count: int, before: int) -> float:
    """How far two counts of equal spans are apart, in standard deviations of their difference if both were due to
    chance (Poisson): 5 after 0 says less than 500 after 400."""
    return abs(count - before) / math.sqrt(count + before + 1)


def report(
    now: Counted, before: Counted, earlier: Sequence[Counted], *, by: Sequence[str], window: Window, limit: int
) -> dict[str, object]:
    """The answer's part about causes: those of the window and those that ended, by what changed most. ``earlier`` is
    what was looked through for when a cause was first seen, beside the two spans."""
    seen = (now, before, *earlier)
    causes = sorted(
        {*now.counts, *before.counts},
        key=lambda cause: (
            -surprise(now.counts.get(cause, 0), before.counts.get(cause, 0)),
            -now.counts.get(cause, 0),
            cause.source,
            cause.outcome,
            tuple(fact or "" for fact in cause.facts),
        ),
    )
    rest = causes[limit:]
    return {
        "rows": [_row(cause, now, before, seen, by, window) for cause in causes[:limit]],
        "not_shown": {
            "rows": len(rest),
            "count": sum(now.counts.get(cause, 0) for cause in rest),
            "before": sum(before.counts.get(cause, 0) for cause in rest),
        },
        "remainder": now.remainder,
    }


def _row(
    cause: Cause, now: Counted, before: Counted, seen: Sequence[Counted], by: Sequence[str], window: Window
) -> dict[str, object]:
    count, earlier = now.counts.get(cause, 0), before.counts.get(cause, 0)
    first = min(one.first[cause] for one in seen if cause in one.first)
    return {
        "source": cause.source,
        "outcome": cause.outcome,
        "facts": {name: fact for name, fact in zip(by, cause.facts, strict=True) if fact is not None},
        "count": count,
        "before": earlier,
        "change": count - earlier,
        "first_seen": first,
        "new": first >= window.since,
    }
