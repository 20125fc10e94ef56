"""Whatever comes as a payload or a line: it is read, or refused by the one exception that says so, and counts once."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from count_decisions import count_decisions
from hypothesis import given, settings
from hypothesis import strategies as st
from service.tallies.counted_lines import CountedLines
from service.tallies.delivery import messages_of
from service.tallies.merging import Parts
from service.tallies.rows import FACTS, OUTCOMES
from service.tallies.tally_item import StoredTally
from service.tallies.tally_line import TallyLine, UnreadableTally, read_tally_line

from tests.service_stack.tally_lines import AT, EXPIRED, ORDERS, counts, delivery, tally_line

LINE = tally_line(
    counts({ORDERS: 812, EXPIRED: 3}, other={"refused": 17}, keys={"accepted": ["a", "b"]}), bundle=[41, 3.2]
)
EVENT = delivery([LINE])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([AT, "demo", "accepted", ""]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["at", "app", "cells", "other", "keys", "refused", "v"]) | st.text(), inner)
    ),
    max_leaves=12,
)


def line_or_refusal(text: object) -> TallyLine | None:
    try:
        return read_tally_line(text, now=AT)
    except UnreadableTally:
        return None


@settings(max_examples=60)
@given(st.text() | st.binary() | JSON)
def test_any_line_is_read_or_refused(text: object) -> None:
    assert line_or_refusal(text) is None


@given(st.integers(0, len(LINE) - 1), st.characters() | st.sampled_from('"{}[],:0'))
def test_line_with_another_character_is_read_or_refused(place: int, character: str) -> None:
    line_or_refusal(LINE[:place] + character + LINE[place + 1 :])


@given(st.integers(0, len(LINE) - 1))
def test_line_that_is_cut_off_is_refused(end: int) -> None:
    assert line_or_refusal(LINE[:end]) is None


@given(st.sampled_from(["id", "source", "bundle", "counts", "message", "v", "level"]), JSON)
def test_line_with_another_member_is_read_or_refused(name: str, value: object) -> None:
    line_or_refusal(json.dumps({**json.loads(LINE), name: value}))


@given(st.sampled_from(["at", "app", "cells", "other", "keys"]), JSON)
def test_line_with_other_counts_is_read_or_refused(name: str, value: object) -> None:
    members = json.loads(LINE)
    members["counts"][0][name] = value
    line_or_refusal(json.dumps(members))


class Written:
    """The table and the apps: nothing is written of what is damaged."""

    def __init__(self) -> None:
        self.parts: list[Parts] = []

    def add(self, parts: Parts) -> None:
        self.parts.append(parts)

    def name_of(self, app: str, _now: float) -> str:
        return app


@pytest.fixture(scope="module")
def count() -> Callable[[object], tuple[dict[str, int], Written]]:
    def counted(event: object) -> tuple[dict[str, int], Written]:
        written: Any = Written()
        return count_decisions(event, table=written, apps=written, now=float(AT)), written

    return counted


@given(data=st.binary() | st.binary().map(gzip.compress) | st.text().map(lambda text: gzip.compress(text.encode())))
def test_any_payload_counts_as_one_damaged(
    count: Callable[[object], tuple[dict[str, int], Written]], data: bytes
) -> None:
    event = {"awslogs": {"data": base64.b64encode(data).decode("ascii")}}
    with pytest.raises(UnreadableTally):
        messages_of(event)
    done, written = count(event)
    assert done == {"Lines": 0, "Damaged": 1}
    assert written.parts == [{}]


@given(event=JSON | st.dictionaries(st.just("awslogs"), JSON | st.dictionaries(st.just("data"), JSON)))
def test_any_event_counts_as_one_damaged(
    count: Callable[[object], tuple[dict[str, int], Written]], event: object
) -> None:
    assert count(event)[0] == {"Lines": 0, "Damaged": 1}


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_payload_with_another_bit_counts_at_most_what_it_said(
    count: Callable[[object], tuple[dict[str, int], Written]], place: int, bit: int
) -> None:
    """gzip has a checksum; its head has bytes that say nothing."""
    data = bytearray(base64.b64decode(EVENT["awslogs"]["data"]))
    data[place % len(data)] ^= 1 << bit
    done, _ = count({"awslogs": {"data": base64.b64encode(data).decode("ascii")}})
    assert done in ({"Lines": 1, "Damaged": 0}, {"Lines": 0, "Damaged": 1})


@settings(max_examples=40)
@given(messages=st.lists(JSON, max_size=5))
def test_messages_that_are_no_lines_count_as_damaged_each(
    count: Callable[[object], tuple[dict[str, int], Written]], messages: list[object]
) -> None:
    done, written = count(delivery([*messages, LINE]))
    assert done == {"Lines": 1, "Damaged": len(messages)}
    assert len(written.parts[0]) == 3


SOURCES = st.sampled_from(sorted(OUTCOMES))
TEXTS = st.text(max_size=8)


@st.composite
def honest_lines(draw: st.DrawFn) -> str:
    """Whatever texts devices send."""
    source = draw(SOURCES)
    facts = st.lists(TEXTS, min_size=len(FACTS[source]), max_size=len(FACTS[source]))
    made = draw(
        st.lists(
            st.tuples(st.sampled_from(OUTCOMES[source]), TEXTS, facts, st.integers(1, 10**12)),
            min_size=1,
            max_size=6,
            unique_by=lambda cell: (cell[0], cell[1], tuple(cell[2])),
        )
    )
    entry = {"at": AT, "app": draw(TEXTS), "cells": [list(cell) for cell in made]}
    return tally_line(entry, source=source)


@given(honest_lines())
def test_what_a_process_counts_is_what_a_row_keeps(text: str) -> None:
    """Texts come out of a row as they went in: any character, also half a surrogate pair."""
    line = read_tally_line(text, now=AT)
    stored = StoredTally()
    counted: Any = Written()
    count_decisions(delivery([text]), table=counted, apps=counted, now=float(AT))
    for by_line in counted.parts[0].values():
        for line_id, each in by_line.items():
            stored.add(line_id, each)
        break
    again = StoredTally.from_row({**stored.to_item()})
    assert again.counts.cells == line.counts[0].cells
    assert isinstance(again.lines, CountedLines)
    assert line.id in again.lines
