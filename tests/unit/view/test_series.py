"""Lines and totals: nothing is counted twice, and nothing is lost without being said."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.tallies.rows import BundleSeen, TallyRow, Why
from service.view.dimensions import DIMENSIONS, knows
from service.view.question import Filters, Window
from service.view.series import GATE_SECONDS, summed

from tests.unit.view.tally_rows import FRESH, keys_of, row, rows_of, within

WINDOW = Window(FRESH, FRESH + 40, 2, FRESH + 30)
ALL = Filters()


def decided(rows: list[TallyRow]) -> Counter[tuple[str, str]]:
    """All decisions of the window, by source and outcome, counted in the plainest way."""
    found: Counter[tuple[str, str]] = Counter()
    for one in within(rows, WINDOW.since, WINDOW.until):
        for outcome, count in one.by_outcome().items():
            found[one.source, outcome] += count
    return +found


def flat(totals: dict[str, dict[str, int]]) -> Counter[tuple[str, str]]:
    return +Counter({(source, outcome): n for source, counts in totals.items() for outcome, n in counts.items()})


@given(rows_of(WINDOW.since, WINDOW.until, 2))
def test_totals_are_what_was_decided_and_the_sum_of_the_lines(rows: list[TallyRow]) -> None:
    """With what has no facts; the ``null`` of buckets that are not known yet hides nothing."""
    sums = summed(rows, WINDOW, ALL)
    assert flat(sums.totals) == decided(rows)
    for source, lines in sums.known_lines().items():
        for outcome, line in lines.items():
            assert len(line) == len(WINDOW.at)
            assert sum(count or 0 for count in line) == sums.totals[source][outcome]


@given(rows_of(WINDOW.since, WINDOW.until, 2), st.sampled_from([name for name in DIMENSIONS if name != "source"]))
def test_values_of_a_fact_part_the_decisions(rows: list[TallyRow], name: str) -> None:
    """The values of one fact share out all decisions of the sources that know it; what none of them has is told as
    unrecorded, by each of them."""
    values = {"", "a", "b", "rule:x", "ios", "android", "<b>", "\u202e\x00"}
    parts = {value: summed(rows, WINDOW, Filters(facts={name: value})) for value in values}
    shared: Counter[str] = Counter()
    for sums in parts.values():
        assert set(sums.lines) == {source for source in summed(rows, WINDOW, ALL).lines if knows(source, name)}
        for source, counts in sums.totals.items():
            shared[source] += sum(counts.values())
    missed = parts["a"].unrecorded
    everything: Counter[str] = Counter()
    for (source, _), count in decided(rows).items():
        everything[source] += count
    for source in missed:
        assert all(sums.unrecorded[source] == missed[source] for sums in parts.values()) or name == "why"
        assert shared[source] + missed[source] == everything[source]


@given(rows_of(WINDOW.since, WINDOW.until, 2), st.sampled_from(["accepted", "refused", "unavailable", "reported"]))
def test_outcome_that_is_asked_for_is_all_there_is(rows: list[TallyRow], outcome: str) -> None:
    """And its total is the same as among the others."""
    sums, everything = summed(rows, WINDOW, Filters(outcome=outcome)), summed(rows, WINDOW, ALL)
    for source, counts in sums.totals.items():
        assert set(counts) <= {outcome}
        assert counts.get(outcome, 0) == everything.totals[source].get(outcome, 0)
        assert sums.refused_share(source) is None


def test_reason_is_exact_where_the_row_has_no_room_for_facts() -> None:
    """What goes beyond a bucket's cells keeps outcome and reason."""
    rows = [
        row("enrol", FRESH, {("refused", "x", "ios"): 3}, other={"refused": 9}, other_by_why={Why("refused", "x"): 5})
    ]
    sums = summed(rows, WINDOW, Filters(facts={"why": "x"}))
    assert (sums.totals["enrol"]["refused"], sums.unrecorded["enrol"]) == (8, 4)
    sums = summed(rows, WINDOW, Filters(facts={"why": "x", "platform": "ios"}))
    assert (sums.totals["enrol"]["refused"], sums.unrecorded["enrol"]) == (3, 9)
    assert dict(summed(rows, WINDOW, ALL).reasons) == {("enrol", "x"): 8}


def test_filter_that_a_source_does_not_know_leaves_it_out() -> None:
    """A country is none of a gate's facts, a route none of an enrolment's."""
    assert set(summed([], WINDOW, Filters(facts={"country": "DE"})).lines) == {"enrol", "renew", "signal", "secret"}
    assert set(summed([], WINDOW, Filters(facts={"route": "x"})).lines) == {"authorize"}
    assert not summed([], WINDOW, Filters(facts={"route": "x", "country": "DE"})).lines


def test_keys_are_counted_once_over_time_and_never_wrongly() -> None:
    """A sketch knows no facts: with a filter on one there is no number, rather than that of all keys."""
    rows = [
        row("enrol", FRESH, {("refused", "x"): 3}, keys={"refused": keys_of("a", "b")}),
        row("enrol", FRESH + 2, {("refused", "x"): 3, ("accepted", ""): 1}, keys={"refused": keys_of("b", "c")}),
    ]
    kept = [keys.to_text() for one in rows for keys in one.keys.values()]
    unique = summed(rows, WINDOW, ALL).unique_keys()["enrol"]
    assert unique == {
        "refused": {"estimate": 3, "error": 0.0325},
        "accepted": None,
        "unavailable": {"estimate": 0, "error": 0.0},
    }
    assert [keys.to_text() for one in rows for keys in one.keys.values()] == kept  # the rows stay as they were
    assert summed(rows, WINDOW, Filters(facts={"why": "x"})).unique_keys()["enrol"]["refused"] is None


def test_newest_buckets_without_counts_are_not_known_yet() -> None:
    """No zero where counts may yet arrive; zeros before, and as far as anything was counted."""
    quiet = summed([], WINDOW, ALL).known_lines()["enrol"]["refused"]
    assert quiet == [0] * 15 + [None] * 5
    sums = summed([row("renew", FRESH + 32, {("refused", "x"): 1}, delay=3.5)], WINDOW, ALL)
    assert sums.known_lines()["enrol"]["refused"] == [0] * 17 + [None] * 3
    assert (sums.data_until, sums.delay) == (FRESH + 34, 3.5)


def test_gate_is_what_its_last_minute_says() -> None:
    """A version that it left long ago is not what it has."""
    window = Window(FRESH, FRESH + 600, 2, FRESH + 600)
    rows = [
        row("authorize", FRESH, bundle=BundleSeen(3, 40, 900.0)),
        row("authorize", FRESH + 100, bundle=BundleSeen(41, 41, 3.0)),
        row("authorize", FRESH + 100 + GATE_SECONDS - 2, bundle=BundleSeen(42, 43, 2.0)),
    ]
    gate = summed(rows, window, ALL).gate
    assert gate is not None
    assert (gate.lowest, gate.highest, gate.age, gate.until) == (41, 43, 3.0, FRESH + 160)
    assert summed([], window, ALL).gate is None


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\x00\u202e", "𝕏" * 96, '"};alert(1)//'])
def test_hostile_text_is_only_compared(text: str) -> None:
    """A model is a text, in filters too."""
    rows = [row("enrol", FRESH, {("refused", "x", "ios", "1", "2", text): 2})]
    assert summed(rows, WINDOW, Filters(facts={"model": text})).totals["enrol"]["refused"] == 2
    assert json.loads(json.dumps(text)) == text
