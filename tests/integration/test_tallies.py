"""Tallies on their way from log lines to readers: each line counts once, whatever happens to its delivery."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from service.errors import Unavailable, Unreadable
from service.tallies import reader as readers
from service.tallies.counted_lines import PROCESSES
from service.tallies.known_apps import FRESH
from service.tallies.rows import Cell, TallyRow
from service.tallies.tally_item import partition, sort_key
from service.telemetry.decisions import logger

from bonafide.operator.registration import Registration
from tests.integration.tally_worlds import NOW, Counting, totals, until_counted
from tests.service_stack.backward_ranges import refuse_backward_ranges
from tests.service_stack.faults import answering, injected, losing_the_answer
from tests.service_stack.tally_lines import AT, EXPIRED, ORDERS, counts, delivery, event_of, tally_line
from tests.service_stack.worlds import AwsWorld
from tests.unit.service.tallies_in_memory import TalliesInMemory

Load = Callable[[AwsWorld, str], ModuleType]


@pytest.fixture
def counting(moto: AwsWorld) -> Counting:
    return Counting(moto)


@pytest.fixture
def beside(ministack: AwsWorld) -> Counting:
    return Counting(ministack)


def process(number: int) -> str:
    return f"{random.Random(number).getrandbits(64):016x}"


def test_what_was_counted_is_what_readers_see(counting: Counting) -> None:
    entry = counts({ORDERS: 812, EXPIRED: 3}, other={"refused": 17}, keys={"accepted": map(str, range(500))})
    assert counting.deliver(delivery([tally_line(entry, bundle=[41, 3.2])])) == {"Lines": 1, "Damaged": 0}
    for step in (2, 60, 3600):
        (row,) = counting.rows(step=step)
        assert (row.app, row.source, row.step, row.at) == ("demo", "authorize", step, AT - AT % step)
        assert (row.cells, row.other) == ({ORDERS: 812, EXPIRED: 3}, {"refused": 17})
        assert row.by_outcome() == {"accepted": 812, "refused": 20}
        assert row.keys["accepted"].estimate() == pytest.approx(500, rel=0.1)
        assert row.bundle is not None
        assert (row.bundle.lowest_version, row.bundle.oldest_age) == (41, 3.2)
        assert (row.delay, row.longest_delay) == (3.0, 3.0)


def test_delivery_that_comes_again_counts_once(counting: Counting) -> None:
    """Also in another company, which CloudWatch Logs does not do."""
    one, other = (tally_line(counts({ORDERS: 5}), number=number) for number in (1, 2))
    for lines in ([one], [one], [one, other], [other, one, one]):
        counting.deliver(delivery(lines))
    assert [totals(counting.rows(step=step)) for step in (2, 60, 3600)] == [{"accepted": 10}] * 3


@pytest.mark.parametrize("dies_at", range(4))
def test_delivery_that_was_torn_between_rows_counts_once(counting: Counting, dies_at: int) -> None:
    """The function died after some of the rows: the next attempt counts in the others."""
    event = delivery([tally_line(counts({ORDERS: 5}), counts({EXPIRED: 2}, at=AT - 2))])
    put = counting.world.dynamodb.put_item
    done: list[dict[str, Any]] = []

    def dying(**arguments: Any) -> Any:
        if len(done) == dies_at:
            raise KeyboardInterrupt
        done.append(arguments)
        return put(**arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting.world.dynamodb, "put_item", dying)
        with pytest.raises(KeyboardInterrupt):
            counting.deliver(event)
    assert counting.deliver(event) == {"Lines": 1, "Damaged": 0}
    for step in (2, 60, 3600):
        assert totals(counting.rows(step=step)) == {"accepted": 5, "refused": 2}


@pytest.mark.parametrize("operation", ["GetItem", "BatchGetItem", "PutItem"])
def test_table_that_is_down_has_the_delivery_made_again(counting: Counting, operation: str) -> None:
    client = counting.world.dynamodb
    event = delivery([tally_line(counts({ORDERS: 5}))])
    with injected(client, operation, answering(500, "InternalServerError")), pytest.raises(Unavailable):
        counting.deliver(event)
    counting.deliver(event, now=NOW + 60)
    assert totals(counting.rows()) == {"accepted": 5}


def test_lost_answer_counts_once(counting: Counting) -> None:
    """Written, and the answer lost: the SDK writes again, the condition fails, and the row is found counted."""
    event = delivery([tally_line(counts({ORDERS: 5}))])
    with injected(counting.world.dynamodb, "PutItem", losing_the_answer()) as sent:
        until_counted(lambda: counting.deliver(event))
    assert len(sent) >= 2
    assert [totals(counting.rows(step=step)) for step in (2, 60, 3600)] == [{"accepted": 5}] * 3


def test_row_that_is_damaged_keeps_no_other_from_being_counted(counting: Counting) -> None:
    """It is not written over: what it held may be wanted. The delivery ends in the queue of those that failed."""
    key = {"bucket": {"S": partition("demo", "authorize", 60, AT)}, "place": {"S": sort_key(AT - AT % 60)}}
    table = counting.world.tables["tallies"]
    counting.world.dynamodb.put_item(TableName=table, Item={**key, "lines": {"S": "?"}, "revision": {"S": "x"}})
    with pytest.raises(Unreadable):
        counting.deliver(delivery([tally_line(counts({ORDERS: 5}))]))
    assert [totals(counting.rows(step=step)) for step in (2, 3600)] == [{"accepted": 5}] * 2
    with pytest.raises(Unreadable):
        counting.rows(step=60)


def test_damaged_lines_and_payloads_count_as_damaged_and_nothing_else(
    counting: Counting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger().registered_handler, "stream", sys.stdout)  # it keeps that of the first test to log
    whole = tally_line(counts({ORDERS: 5}))
    lines = [whole, whole.replace('"v":1', '"v":2'), "x", 17, tally_line(counts({ORDERS: 1}, at=AT - 86_402), number=9)]
    assert counting.deliver(delivery(lines)) == {"Lines": 1, "Damaged": 4}
    assert totals(counting.rows()) == {"accepted": 5}
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    (told,) = [line["reasons"] for line in written if line.get("message") == "tallies not counted"]
    assert told == {"unknown-version": 1, "damaged": 2, "too-old": 1}
    assert [line["TallyDamaged"] for line in written if "TallyDamaged" in line] == [[4]]
    assert counting.deliver(event_of(b"{")) == {"Lines": 0, "Damaged": 1}
    assert counting.deliver(delivery(["checking"], "CONTROL_MESSAGE")) == {"Lines": 0, "Damaged": 0}


def test_app_that_is_not_registered_is_counted_under_none(counting: Counting) -> None:
    """Names come from devices: what is no app's name is not looked up, and no name gets rows of its own."""
    names = ("demo", "", "-", "Demo", "demo#authorize", "other")
    entries = [counts({ORDERS: 1}, app=name, at=AT - 2 * place) for place, name in enumerate(names)]
    client, table = counting.world.dynamodb, counting.world.tables["tallies"]
    with injected(client, "GetItem", lambda _request: None) as asked:
        counting.deliver(delivery([tally_line(*entries)] * 3))
    assert len([request for request in asked if request]) <= 2
    assert (totals(counting.rows()), totals(counting.rows("-"))) == ({"accepted": 1}, {"accepted": 5})
    found = {item["bucket"]["S"].split("#")[0] for item in client.scan(TableName=table)["Items"]}
    assert found == {"demo", "-"}


def test_app_that_was_registered_just_now_is_counted_soon(counting: Counting) -> None:
    """Its first line may have come a moment too early."""
    for number, (now, found) in enumerate([(NOW, 0), (NOW + FRESH + 1, 1)], 1):
        counting.deliver(delivery([tally_line(counts({ORDERS: 1}, app="late"), number=number)]), now=now)
        assert totals(counting.rows("late")) == ({"accepted": found} if found else {})
        counting.world.register(Registration(app="late", apple_app_ids=("TEAM123456.org.example.late",)))


@pytest.fixture
def many_rows(counting: Counting) -> Counting:
    """One line each of more processes than one row takes, in several buckets."""
    lines = [
        tally_line(
            counts({ORDERS: 1}, at=AT + 2 * (number % 2), keys={"accepted": [str(number)]}), process=process(number)
        )
        for number in range(3 * PROCESSES)
    ]
    for place in range(0, len(lines), 8):
        counting.deliver(delivery(lines[place : place + 8]))
    return counting


def test_processes_beyond_a_rows_number_count_in_further_rows(many_rows: Counting) -> None:
    """And a line that comes again is found in whichever it was counted."""
    client, table = many_rows.world.dynamodb, many_rows.world.tables["tallies"]
    keys = [item["bucket"]["S"].split("#")[2] for item in client.scan(TableName=table)["Items"]]
    assert Counter(keys)["60"] > 3
    before = [[row.by_outcome() for row in many_rows.rows(step=step)] for step in (2, 60, 3600)]
    lines = [
        tally_line(counts({ORDERS: 1}, at=AT + 2 * (number % 2)), process=process(number))
        for number in range(3 * PROCESSES)
    ]
    random.Random(1).shuffle(lines)
    for some in (lines[:20], lines[20:]):
        many_rows.deliver(delivery(some))
    assert [[row.by_outcome() for row in many_rows.rows(step=step)] for step in (2, 60, 3600)] == before
    assert before == [[{"accepted": 48}, {"accepted": 48}], [{"accepted": 96}], [{"accepted": 96}]]
    (minute,) = many_rows.rows(step=60)
    assert minute.keys["accepted"].estimate() == pytest.approx(96, rel=0.1)


def test_windows_in_memory_are_those_of_the_table(counting: Counting) -> None:
    """What holds for readers' tests holds for the table."""
    ats = (AT - 3_600, AT - 4, AT - 2, AT, AT + 2)
    for number, (at, source) in enumerate(((at, source) for at in ats for source in ("renew", "enrol")), 1):
        cell = Cell("accepted", "", ("ios", "1", "18", "iPhone16,1", "NL"))
        line = tally_line(counts({cell: number}, at=at), source=source, number=number)
        counting.deliver(delivery([line]))
    every = [
        row
        for step in (2, 60, 3600)
        for source in ("enrol", "renew")
        for row in counting.rows(source=source, step=step)
    ]
    memory = TalliesInMemory(*every)
    windows = [
        (AT - 2, AT),
        (AT - 3, AT + 0.5),
        (AT, AT),
        (AT + 2, AT),
        (AT - 3_600, AT + 3),
        (0, 10),
        (AT - 1, AT + 1),
    ]
    for step in (2, 60, 3600):
        for since, until in windows:
            asked: dict[str, Any] = {"step": step, "since": since, "until": until}
            found: list[TallyRow] = list(counting.reader.rows("demo", ["renew", "enrol"], **asked))
            assert found == list(memory.rows("demo", ["renew", "enrol"], **asked)), (step, since, until)
    assert counting.reader.rows("none", ["renew"], step=2, since=AT, until=AT + 60) == []


def test_window_beyond_what_is_read_at_once_is_said_to_be(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_PAGES", 1)
    assert counting.reader.rows("demo", ["enrol"], step=2, since=AT, until=AT + 2) == []
    with pytest.raises(Unavailable, match="shorter window"):
        counting.reader.rows("demo", ["enrol", "renew"], step=2, since=AT, until=AT + 2)


@pytest.mark.ministack
def test_writers_at_once_lose_nothing_and_count_nothing_twice(beside: Counting) -> None:
    """Eight functions, each delivery three times, all in the same buckets; some processes share rows, some do not."""
    lines = {
        (number, each): tally_line(
            counts({ORDERS: number + 1, EXPIRED: each}, keys={"accepted": [f"{number}-{each}"]}),
            process=process(number),
            number=each,
        )
        for number in range(PROCESSES + 4)
        for each in ((1, 2) if number < 6 else (1,))
    }
    events = [delivery([line]) for line in lines.values()] * 2
    events += [delivery(list(lines.values())[place : place + 5]) for place in range(0, len(lines), 5)]
    beside.deliver_together(events, 8)
    expected = {"accepted": sum(number + 1 for number, _ in lines), "refused": sum(each for _, each in lines)}
    for step in (2, 60, 3600):
        (row,) = beside.rows(step=step)
        assert row.by_outcome() == expected
        assert row.cells == {ORDERS: expected["accepted"], EXPIRED: expected["refused"]}
        assert row.keys["accepted"].estimate() == pytest.approx(len(lines), rel=0.1)


EVENTS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in (Path(__file__).parents[2] / "events" / "count_decisions").glob("*.json")
}


def test_events_for_sam_local_are_counted_as_their_names_say(counting: Counting, function: Load) -> None:
    """By the handler, with the environment of the template; their lines are of a day long ago."""
    module = function(counting.world, "count_decisions")
    found = {}
    for name, event in sorted(EVENTS.items()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("count_decisions.time.time", lambda: NOW)
            found[name] = module.handler(event, None)
    assert found == {
        "control_message": {"Lines": 0, "Damaged": 0},
        "damaged_line": {"Lines": 0, "Damaged": 1},
        "tallies": {"Lines": 2, "Damaged": 0},
    }
    assert totals(counting.rows()) == {"accepted": 1602, "refused": 20}
    assert module.handler(EVENTS["tallies"], None) == {"Lines": 0, "Damaged": 2}


@pytest.mark.parametrize(("since", "until"), [(-900, -60), (-900, 60), (-1, 0), (0, 60)])
def test_time_before_1970_has_no_rows(counting: Counting, since: float, until: float) -> None:
    """Red before: the same time before a window of 1970 was a query that DynamoDB refuses, and a 503."""
    refuse_backward_ranges(counting.world.dynamodb)
    assert counting.reader.rows("demo", ["authorize"], step=60, since=since, until=until) == []
