"""Causes: what changed comes first, what is new is marked, and what is not shown is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from service.tallies.rows import TallyRow, Why
from service.view.causes import counted, report
from service.view.dimensions import DIMENSIONS
from service.view.question import Filters, Window

from tests.unit.view.tally_rows import FRESH, row, rows_of

WINDOW = Window(FRESH, FRESH + 40, 2, FRESH + 40)
ALL = Filters()
BY = st.lists(st.sampled_from(DIMENSIONS), min_size=1, max_size=3, unique=True)


def causes(
    now: list[TallyRow], before: list[TallyRow], *earlier: list[TallyRow], by: list[str], limit: int = 100
) -> dict[str, Any]:
    told = [counted(rows, ALL, by) for rows in (now, before, *earlier)]
    return report(told[0], told[1], told[2:], by=by, window=WINDOW, limit=limit)


@given(rows_of(FRESH, FRESH + 40, 2), rows_of(FRESH - 40, FRESH, 2), BY, st.integers(1, 5))
def test_every_decision_is_in_a_row_or_counted_beside(
    now: list[TallyRow], before: list[TallyRow], by: list[str], limit: int
) -> None:
    """Shown, not shown, or without facts: together they are all decisions."""
    found = causes(now, before, by=by, limit=limit)
    shown = sum(one["count"] for one in found["rows"])
    everything = sum(sum(one.by_outcome().values()) for one in now)
    assert shown + found["not_shown"]["count"] + found["remainder"] == everything
    assert len(found["rows"]) <= limit
    facts = Counter((one["source"], one["outcome"], tuple(sorted(one["facts"].items()))) for one in found["rows"])
    assert not facts or max(facts.values()) == 1


def test_what_changed_comes_first_and_not_what_is_large() -> None:
    """A new rule with 40 refusals is before ten thousand requests that were ten thousand before, and a cause that ended
    is shown, too."""
    now = [row("enrol", FRESH, {("refused", "rule:new", "android"): 40, ("accepted", "", "ios"): 10_100})]
    before = [row("enrol", FRESH - 40, {("refused", "gone", "ios"): 20, ("accepted", "", "ios"): 10_000})]
    rows = causes(now, before, by=["why", "platform"])["rows"]
    assert [one["facts"]["why"] for one in rows] == ["rule:new", "gone", ""]
    assert rows[0] | {"first_seen": 0} == {
        "source": "enrol",
        "outcome": "refused",
        "facts": {"why": "rule:new", "platform": "android"},
        "count": 40,
        "before": 0,
        "change": 40,
        "first_seen": 0,
        "new": True,
    }
    assert (rows[1]["count"], rows[1]["change"], rows[1]["new"]) == (0, -20, False)


def test_first_seen_is_the_earliest_of_all_that_was_looked_through() -> None:
    """What stood a day ago is not new, though the time before had none of it."""
    now = [row("enrol", FRESH + 4, {("refused", "x"): 1, ("refused", "y"): 1})]
    hours = [row("enrol", FRESH - 86_400, {("refused", "x"): 1}, step=3600)]
    rows = {one["facts"]["why"]: one for one in causes(now, [], hours, by=["why"])["rows"]}
    assert (rows["x"]["first_seen"], rows["x"]["new"]) == (FRESH - 86_400, False)
    assert (rows["y"]["first_seen"], rows["y"]["new"]) == (FRESH + 4, True)


def test_fact_that_a_source_does_not_know_is_absent() -> None:
    """Not empty: an empty one is a fact that was not told."""
    now = [row("authorize", FRESH, {("refused", "x", "orders GET /"): 1}), row("enrol", FRESH, {("refused", "x"): 1})]
    rows = {one["source"]: one["facts"] for one in causes(now, [], by=["route", "country"])["rows"]}
    assert rows == {"authorize": {"route": "orders GET /"}, "enrol": {"country": ""}}


def test_reasons_beyond_a_buckets_room_are_exact() -> None:
    """And a remainder where other facts are asked for."""
    now = [row("enrol", FRESH, {("refused", "x"): 1}, other={"refused": 9}, other_by_why={Why("refused", "x"): 6})]
    found = causes(now, [], by=["why"])
    assert ([one["count"] for one in found["rows"]], found["remainder"]) == ([7], 3)
    found = causes(now, [], by=["why", "model"])
    assert ([one["count"] for one in found["rows"]], found["remainder"]) == ([1], 9)


def test_text_of_an_app_passes_through_unchanged() -> None:
    """What shows it must show it as text."""
    text = "<img src=x onerror=alert(1)>\u202e\x00"
    now = [row("enrol", FRESH, {("refused", "x", "ios", text): 1})]
    assert causes(now, [], by=["build"])["rows"][0]["facts"] == {"build": text}
