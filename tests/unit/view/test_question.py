"""Windows and filters: whatever is asked, the work is bounded, and what cannot be had is said by name."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from service.view.question import (
    HOP,
    KEPT,
    LOOK_BACK,
    MOST_POINTS,
    BadQuestion,
    CausesQuery,
    ViewQuery,
    Window,
    dimensions_of,
    earlier_spans,
    filters_of,
    window_of,
)

from tests.unit.view.tally_rows import FRESH, NOW


def asked(**query: str) -> ViewQuery:
    """A query as it comes: texts."""
    return ViewQuery.model_validate({"app": "demo", **query})


def window_or_refusal(query: ViewQuery, now: float) -> Window | BadQuestion:
    try:
        return window_of(query, now)
    except BadQuestion as error:
        return error


@given(
    st.floats(1_700_000_000, 1_800_000_000),
    st.none() | st.integers(-100, 40 * 86_400),
    st.none() | st.integers(-100, 40 * 86_400),
    st.sampled_from([None, 2, 60, 3600]),
)
def test_window_is_on_its_grid_and_bounded(now: float, back: int | None, ago: int | None, step: int | None) -> None:
    """Or the question is refused, in a sentence about a member of it."""
    query = ViewQuery(
        app="demo",
        since=None if back is None else int(now) - back,
        until=None if ago is None else int(now) - ago,
        step=step,  # type: ignore[arg-type]
    )
    found = window_or_refusal(query, now)
    if isinstance(found, BadQuestion):
        assert found.member in ("since", "until", "step")
        assert found.sentence.endswith(".")
        return
    window = found
    assert 0 < len(window.at) <= MOST_POINTS
    assert window.since % window.step == window.until % window.step == 0
    assert window.since <= (query.since or window.since) < window.until
    assert min(query.until or now, now) <= window.until <= now + max(HOP, window.step)
    before, minutes = window.before, window.before.coarser(60)
    assert before.until <= window.since
    assert len(before.at) == len(window.at)
    assert (minutes.since % minutes.step, minutes.until % minutes.step) == (0, 0)
    assert 0 <= before.since - minutes.since < minutes.step
    assert len(minutes.at) <= len(window.at)


def test_window_that_goes_on_stays_within_a_hop() -> None:
    """The same question, asked again within ten seconds, is about the same window: its answer can be 304."""
    polls = {window_of(asked(), FRESH + second / 10) for second in range(100)}
    polls |= {window_of(asked(since=str(FRESH - 900 + second)), FRESH + second) for second in range(10)}
    assert {(window.since, window.until, window.step, window.hop) for window in polls} == {
        (FRESH - 890, FRESH + 10, 2, FRESH),
        (FRESH - 900, FRESH + 10, 2, FRESH),
    }
    assert window_of(asked(), FRESH + 10).until == FRESH + 20


def test_short_window_begins_where_it_is_asked_to() -> None:
    """Who watches a change take hold looks at the last seconds alone."""
    window = window_of(asked(since=str(FRESH - 3), step="2"), FRESH + 5)
    assert (window.since, window.until) == (FRESH - 4, FRESH + 10)


def test_window_that_is_over_stays_for_good() -> None:
    """An address that is shared shows the same an hour later."""
    query = asked(since=str(FRESH - 601), until=str(FRESH - 301))
    window = window_of(query, NOW)
    assert (window.since, window.until, window.hop) == (FRESH - 602, FRESH - 300, FRESH - 300)
    assert window_of(query, NOW + 1_000) == window


@pytest.mark.parametrize(
    ("back", "step"),
    [(60, 2), (900, 2), (1_770, 2), (3_600, 60), (15 * 3_600 - 300, 60), (86_400, 3_600), (35 * 86_400, 3_600)],
)
def test_step_is_chosen_by_the_length(back: int, step: int) -> None:
    """Fine for minutes, an hour for days; also where the window was long ago and fine buckets are gone."""
    assert window_of(asked(since=str(FRESH - back)), NOW).step == step
    old = FRESH - KEPT[2] - 86_400
    assert window_of(asked(since=str(old - back), until=str(old)), NOW).step == max(60, step)


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ({"since": str(FRESH + 60)}, "since"),
        ({"since": str(FRESH - 60), "until": str(FRESH - 61)}, "until"),
        ({"since": str(FRESH - 3_600), "step": "2"}, "step"),
        ({"since": str(FRESH - 50 * 86_400)}, "since"),
        ({"since": str(FRESH - 3 * 86_400), "until": str(FRESH - 3 * 86_400 + 60), "step": "2"}, "step"),
        ({"until": "3"}, "until"),
    ],
)
def test_window_that_cannot_be_had_is_refused_by_name(query: dict[str, str], member: str) -> None:
    with pytest.raises(BadQuestion) as caught:
        window_of(asked(**query), NOW)
    assert caught.value.member == member


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "nan"},
        {"since": "-1"},
        {"since": "1e9"},
        {"since": ""},
        {"until": "9" * 30},
        {"step": "3"},
        {"step": "2.0"},
        {"step": ""},
        {"source": "all"},
        {"colour": "red"},
        {"model": "x" * 201},
        {"app": "../x"},
    ],
)
def test_filter_or_number_that_is_none_is_refused_by_name(query: dict[str, Any]) -> None:
    """With the member's place in the message; the value is in none."""
    with pytest.raises(ValidationError) as caught:
        asked(**query)
    (name,) = query
    assert caught.value.errors()[0]["loc"][0] == name


def test_filter_may_ask_for_what_is_not_known() -> None:
    """An empty text is a value: devices of no country."""
    filters = filters_of(asked(country="", platform="ios", source="enrol", outcome="refused"))
    assert (filters.source, filters.outcome) == ("enrol", "refused")
    assert filters.facts == {"platform": "ios", "country": ""}
    assert filters.sources == ("enrol",)


@pytest.mark.parametrize("by", ["", ",", "colour", "why,why", "why,os,model,build", "why,", " why"])
def test_dimension_that_is_none_is_refused(by: str) -> None:
    with pytest.raises((BadQuestion, ValidationError)):
        dimensions_of(CausesQuery.model_validate({"app": "demo", "by": by}))


def test_look_back_is_bounded_and_leaves_no_gap() -> None:
    """Hours of a week and the minutes since: what lies between the two spans and the window is the window's minute."""
    for since in (FRESH, FRESH - FRESH % 3600, FRESH - FRESH % 3600 + 60):
        spans = earlier_spans(window_of(asked(since=str(since - 600), until=str(since)), NOW))
        assert sum(len(span.at) for span in spans) <= LOOK_BACK // 3600 + 60
        for first, second in pairwise(spans):
            assert first.until == second.since
        assert 0 <= (since - 600) - spans[-1].until < 60
