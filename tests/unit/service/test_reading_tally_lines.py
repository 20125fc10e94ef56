"""Tally lines are read strictly, and deliveries as CloudWatch Logs makes them; nothing else counts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from service.tallies import delivery as deliveries
from service.tallies.delivery import MAX_PAYLOAD, messages_of
from service.tallies.rows import FACTS, OUTCOMES, UNKNOWN_APP, BundleSeen, Cell
from service.tallies.tally_line import (
    AHEAD,
    MAX_LINE,
    OLDEST,
    LineId,
    Reason,
    UnreadableTally,
    read_tally_line,
)

from tests.service_stack.tally_lines import (
    AT,
    EXPIRED,
    ORDERS,
    PROCESS,
    counts,
    delivery,
    event_of,
    sketch_of,
    tally_line,
)

NOW = float(AT + 3)


def test_whole_line_is_read() -> None:
    entries = (
        counts({ORDERS: 812, EXPIRED: 3}, other={"refused": 17}, keys={"accepted": ["a", "b"]}),
        counts({EXPIRED: 1}, at=AT - 2, app=""),
    )
    line = read_tally_line(tally_line(*entries, number=12, bundle=[41, 3.2]), now=NOW)
    assert (line.id, line.source, line.bundle) == (LineId(PROCESS, 12), "authorize", BundleSeen(41, 41, 3.2))
    first, second = line.counts
    assert (first.at, first.app, first.cells, first.other) == (AT, "demo", {ORDERS: 812, EXPIRED: 3}, {"refused": 17})
    assert first.keys["accepted"].to_text() == sketch_of(["a", "b"])
    assert (second.at, second.app, second.cells) == (AT - 2, UNKNOWN_APP, {EXPIRED: 1})


@pytest.mark.parametrize("source", OUTCOMES)
def test_line_of_each_source_is_read(source: str) -> None:
    cells = {Cell(outcome, "", ("x",) * len(FACTS[source])): 1 for outcome in OUTCOMES[source]}
    assert read_tally_line(tally_line(counts(cells), source=source), now=NOW).counts[0].cells == cells


def test_what_loggers_put_on_lines_is_no_unknown_member() -> None:
    text = tally_line(counts({ORDERS: 1}), timestamp="2025-11-27T10:00:00Z", service="bonafide")
    assert read_tally_line(text, now=NOW).source == "authorize"


def altered(change: Callable[[dict[str, Any]], object]) -> str:
    members = json.loads(tally_line(counts({ORDERS: 1}, other={"refused": 1}, keys={"refused": ["a"]}), bundle=[41, 3]))
    change(members)
    return json.dumps(members)


def entry(name: str, value: object) -> str:
    return altered(lambda members: members["counts"][0].update({name: value}))


def member(name: str, value: object) -> str:
    return altered(lambda members: members.update({name: value}))


def cell(*values: object) -> str:
    return entry("cells", [list(values)])


FACTS_OF_GATE = ["route", "verified", "ios", "1"]
DAMAGED: dict[str, object] = {
    "no text": 17,
    "nothing": "",
    "no JSON": "tally",
    "no object": "[]",
    "a number that JSON does not have": tally_line(counts({ORDERS: 1}), bundle=[1, float("nan")]),
    "a member twice": tally_line(counts({ORDERS: 1})).replace('"v":1', '"v":1,"v":1'),
    "very deep": "[" * 30_000,
    "a number of very many digits": tally_line(counts({ORDERS: 1})).replace(str(AT), "9" * 5_000),
    "another message": member("message", "decision"),
    "no message": altered(lambda members: members.pop("message")),
    "no id": altered(lambda members: members.pop("id")),
    "an id that is none": member("id", f"{PROCESS}-0"),
    "an id with a line end": member("id", f"{PROCESS}-1\n"),
    "an id of other digits": member("id", f"{PROCESS}-\u0661"),
    "another source": member("source", "guess"),
    "a source that is a list": member("source", ["enrol"]),
    "a level that is no text": member("level", {}),
    "no counts": member("counts", []),
    "counts that are no list": member("counts", {"at": AT}),
    "a count that is no object": member("counts", [1]),
    "a bucket twice": altered(lambda members: members["counts"].append(members["counts"][0])),
    "a bundle that is none": member("bundle", [1]),
    "a bundle of text": member("bundle", ["1", 2]),
    "an age below zero": member("bundle", [1, -1]),
    "a version that is true": member("bundle", [True, 1]),
    "an odd second": entry("at", AT + 1),
    "a half second": entry("at", AT + 0.5),
    "a time of text": entry("at", str(AT)),
    "a time that is true": entry("at", True),
    "no app": altered(lambda members: members["counts"][0].pop("app")),
    "an app that is none": entry("app", None),
    "a long app": entry("app", "a" * 97),
    "cells that are no list": entry("cells", {}),
    "a cell that is none": entry("cells", ["accepted"]),
    "a cell without facts": cell("accepted", "", 1),
    "a cell with too few facts": cell("accepted", "", ["ios"], 1),
    "a cell twice": entry("cells", [["accepted", "", FACTS_OF_GATE, 1]] * 2),
    "an unknown outcome": cell("maybe", "", FACTS_OF_GATE, 1),
    "an outcome of another source": cell("issued", "", FACTS_OF_GATE, 1),
    "an outcome that is a list": cell(["accepted"], "", FACTS_OF_GATE, 1),
    "a reason that is none": cell("refused", None, FACTS_OF_GATE, 1),
    "a long fact": cell("accepted", "", ["\u20ac" * 17, "", "", ""], 1),
    "a fact that is none": cell("accepted", "", [1, "", "", ""], 1),
    "none": cell("accepted", "", FACTS_OF_GATE, 0),
    "less than none": cell("accepted", "", FACTS_OF_GATE, -1),
    "half a decision": cell("accepted", "", FACTS_OF_GATE, 0.5),
    "true decisions": cell("accepted", "", FACTS_OF_GATE, True),
    "more than there are": cell("accepted", "", FACTS_OF_GATE, 10**13),
    "other that is no object": entry("other", [1]),
    "other of an unknown outcome": entry("other", {"maybe": 1}),
    "other of none": entry("other", {"refused": 0}),
    "keys of an unknown outcome": entry("keys", {"maybe": ""}),
    "a sketch that is none": entry("keys", {"refused": 5}),
    "a sketch of odd length": entry("keys", {"refused": "AAA"}),
    "a sketch of rank 0": entry("keys", {"refused": "AAA0"[:3] + "A"}),
    "a sketch out of order": entry("keys", {"refused": "AEEAAQ"}),
    "a sketch with padding": entry("keys", {"refused": "AAE="}),
    "nothing counted": altered(lambda members: members.update(counts=[{"at": AT, "app": "demo", "cells": []}])),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_damaged_line_is_refused(text: object) -> None:
    with pytest.raises(UnreadableTally) as refused:
        read_tally_line(text, now=NOW)
    assert refused.value.reason is Reason.DAMAGED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (member("more", 1), Reason.UNKNOWN_MEMBERS),
        (entry("more", 1), Reason.UNKNOWN_MEMBERS),
        (tally_line(counts({Cell("issued", "", ()): 1}), source="challenge", bundle=[1, 2]), Reason.UNKNOWN_MEMBERS),
        (member("v", 2), Reason.UNKNOWN_VERSION),
        (member("v", "1"), Reason.UNKNOWN_VERSION),
        (member("v", True), Reason.UNKNOWN_VERSION),
        (altered(lambda members: members.pop("v")), Reason.UNKNOWN_VERSION),
        (tally_line(counts({ORDERS: 1}), level="x" * MAX_LINE), Reason.TOO_LARGE),
    ],
)
def test_line_that_this_version_does_not_know_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(UnreadableTally) as refused:
        read_tally_line(text, now=NOW)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (AT + OLDEST, None),
        (AT + OLDEST + 1, Reason.TOO_OLD),
        (AT - AHEAD, None),
        (AT - AHEAD - 1, Reason.IN_THE_FUTURE),
    ],
)
def test_process_may_have_been_frozen_for_a_day(now: float, reason: Reason | None) -> None:
    text = tally_line(counts({ORDERS: 1}))
    if reason is None:
        assert read_tally_line(text, now=now).counts[0].at == AT
        return
    with pytest.raises(UnreadableTally) as refused:
        read_tally_line(text, now=now)
    assert refused.value.reason is reason


def test_texts_of_devices_stay_texts() -> None:
    """Markup, other scripts, half a surrogate pair: nothing is cut, replaced or interpreted."""
    texts = ("<script>alert(1)</script>", "\u0647\u0627\u062a\u0641\x00", "\ud800", "a#b\u2028")
    line = read_tally_line(tally_line(counts({Cell("refused", "x", texts): 1})), now=NOW)
    assert next(iter(line.counts[0].cells)).facts == texts


def test_delivery_is_unpacked() -> None:
    assert messages_of(delivery(["one", "two"])) == ["one", "two"]
    assert messages_of(delivery([])) == []
    assert messages_of(delivery(["checking health"], "CONTROL_MESSAGE")) == []


def raw(data: object) -> dict[str, Any]:
    return {"awslogs": {"data": data}}


WHOLE = base64.b64decode(delivery(["one"])["awslogs"]["data"])
PAYLOADS: dict[str, object] = {
    "no event": None,
    "no member": {},
    "no logs": {"awslogs": 1},
    "no data": {"awslogs": {}},
    "data of another kind": raw(1),
    "no base64": raw("\u00e4"),
    "no gzip": raw(base64.b64encode(b"tally").decode()),
    "cut off": raw(base64.b64encode(WHOLE[:-9]).decode()),
    "followed by something": raw(base64.b64encode(WHOLE + b"x").decode()),
    "damaged inside": raw(base64.b64encode(WHOLE[:-8] + bytes(8)).decode()),
    "no JSON": event_of(b"\xff"),
    "no envelope": event_of(b"[]"),
    "no type": event_of(b"{}"),
    "no events": event_of(b'{"messageType":"DATA_MESSAGE"}'),
    "events of another kind": event_of(b'{"messageType":"DATA_MESSAGE","logEvents":17}'),
    "an event without a message": event_of(b'{"messageType":"DATA_MESSAGE","logEvents":[{}]}'),
    "very deep": event_of(b"[" * 100_000),
}


@pytest.mark.parametrize("event", PAYLOADS.values(), ids=PAYLOADS)
def test_damaged_payload_is_refused(event: object) -> None:
    with pytest.raises(UnreadableTally):
        messages_of(event)


def test_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: kilobytes that unpack to gigabytes. No more is unpacked than the bound."""
    monkeypatch.setattr(deliveries, "MAX_PAYLOAD", 1_000)
    whole = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": []}).encode()
    assert messages_of(event_of(whole.ljust(1_000))) == []
    with pytest.raises(UnreadableTally):
        messages_of(event_of(whole.ljust(1_001)))
    assert MAX_PAYLOAD == 16 << 20
