"""Rows of tallies for the view's tests: chosen, or drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from bonafide_tokens.counting.key_sketch import KeySketch
from hypothesis import strategies as st
from service.tallies.rows import FACTS, OUTCOMES, BundleSeen, Cell, TallyRow, Why

NOW = 1_795_000_007.5
"""Not the beginning of a bucket of any length."""

FRESH = 1_795_000_000
APP = "demo"


def keys_of(*keys: str) -> KeySketch:
    """A sketch of a few keys: so few are counted exactly."""
    sketch = KeySketch()
    for key in keys:
        sketch.add(key)
    return sketch


def row(
    source: str,
    at: int,
    cells: Mapping[tuple[str, ...], int] | None = None,
    *,
    step: int = 2,
    other: Mapping[str, int] | None = None,
    other_by_why: Mapping[Why, int] | None = None,
    keys: Mapping[str, KeySketch] | None = None,
    bundle: BundleSeen | None = None,
    delay: float = 1.0,
) -> TallyRow:
    """A row of the app. ``cells``: outcome, why, and as many facts as wanted, the others empty."""
    made = Counter[Cell]()
    for (outcome, why, *facts), count in (cells or {}).items():
        places = [*facts, *[""] * (len(FACTS[source]) - len(facts))]
        made[Cell(outcome, why, tuple(places))] += count
    return TallyRow(APP, source, step, at, made, other or {}, keys or {}, bundle, delay, other_by_why or {})


WORDS = st.sampled_from(["", "a", "b", "rule:x", "ios", "android", "<b>", "\u202e\x00"])


@st.composite
def rows_of(draw: st.DrawFn, since: int, until: int, step: int) -> list[TallyRow]:
    """Rows of any sources, within a window and a little around it."""
    made = []
    for _ in range(draw(st.integers(0, 8))):
        source = draw(st.sampled_from(sorted(FACTS)))
        outcomes = st.sampled_from(OUTCOMES[source])
        cells: Counter[Cell] = Counter()
        for _ in range(draw(st.integers(0, 5))):
            known = len(FACTS[source]) if draw(st.booleans()) else 0
            facts = tuple(draw(WORDS) for _ in range(known))
            cells[Cell(draw(outcomes), draw(WORDS), facts)] += draw(st.integers(1, 50))
        by_why = {Why(draw(outcomes), draw(WORDS)): draw(st.integers(1, 9)) for _ in range(draw(st.integers(0, 2)))}
        other = Counter({outcome: draw(st.integers(0, 9)) for outcome in OUTCOMES[source] if draw(st.booleans())})
        for why, count in by_why.items():
            other[why.outcome] += count
        place = draw(st.integers(-2, (until - since) // step + 2))
        made.append(TallyRow(APP, source, step, since + place * step, cells, other, other_by_why=by_why))
    return made


def within(rows: Iterable[TallyRow], since: int, until: int) -> list[TallyRow]:
    """Those that begin in the window."""
    return [one for one in rows if since <= one.at < until]
