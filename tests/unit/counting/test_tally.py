"""Every decision is in one line, once; lines come soon, and are bounded whatever a client sends."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from bonafide_tokens.counting.key_sketch import KeySketch
from bonafide_tokens.counting.tally import LISTED, MAX_TEXT, STEP, Cell, Tally, beginning

NOW = 1_764_250_000
MAX_LINE = 32_768
FACTS = ("orders GET /orders", "verified", "ios", "9F2C")
ACCEPTED = Cell("demo", "accepted", "", FACTS)
REFUSED = Cell("demo", "refused", "token-expired", FACTS)


class Process:
    """One process' tally, and what it has written."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.tally = Tally("authorize", self.texts.append, lambda at: {"message": "tally", "id": f"00-{at}"})

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    def counted(self) -> Counter[Any]:
        """Times by bucket, app, outcome, reason and facts; facts are ``None`` for what is told by outcome alone."""
        found = Counter[Any]()
        for line in self.lines:
            for entry in line["counts"]:
                for outcome, why, facts, times in entry["cells"]:
                    found[entry["at"], entry["app"], outcome, why, tuple(facts)] += times
                for outcome, times in entry.get("other", {}).items():
                    found[entry["at"], entry["app"], outcome, "", None] += times
        return found


@pytest.fixture
def process() -> Process:
    return Process()


def test_line_is_as_documented(process: Process) -> None:
    process.tally.count(NOW + 1.9, ACCEPTED, "key")
    (line,) = process.lines
    sketch = KeySketch()
    sketch.add("key")
    assert line == {
        "message": "tally",
        "id": f"00-{NOW}",
        "v": 1,
        "source": "authorize",
        "counts": [
            {
                "at": NOW,
                "app": "demo",
                "cells": [["accepted", "", list(FACTS), 1]],
                "keys": {"accepted": sketch.to_text()},
            }
        ],
    }


def test_quiet_process_writes_its_first_decision_at_once_and_then_every_two_seconds(process: Process) -> None:
    for tenth in range(60):
        process.tally.count(NOW + tenth / 10, ACCEPTED)
    assert [line["counts"][0]["at"] for line in process.lines] == [NOW, NOW, NOW + 2]
    assert [line["counts"][0]["cells"][0][-1] for line in process.lines] == [1, 19, 20]
    process.tally.count(NOW + 60, ACCEPTED)
    assert [line["counts"][0]["at"] for line in process.lines[3:]] == [NOW + 4, NOW + 60]


def test_first_refusal_among_accepted_ones_is_written_at_once(process: Process) -> None:
    """An outbreak is on the operator's page before its bucket is over; that it lasts makes no more lines."""
    for tenth in range(100):
        process.tally.count(NOW + tenth / 10, REFUSED if tenth >= 31 else ACCEPTED)
        if tenth == 31:
            assert (NOW + 2, "demo", "refused", "token-expired", FACTS) in process.counted()
    assert len(process.lines) == 1 + 4 + 1


def test_frozen_process_writes_late_with_the_time_of_its_bucket(process: Process) -> None:
    """Lambda stops a process between two requests, for minutes too."""
    for moment in (0, 0.1, 0.2, 3_600):
        process.tally.count(NOW + moment, ACCEPTED)
    assert [line["counts"][0]["at"] for line in process.lines] == [NOW, NOW, NOW + 3_600]
    assert sum(process.counted().values()) == 4


def test_clock_that_is_set_back_loses_nothing(process: Process) -> None:
    for moment in (100, 101, 40, 41, 100):
        process.tally.count(NOW + moment, ACCEPTED)
    process.tally.flush()
    assert sum(process.counted().values()) == 5


def test_nothing_counted_is_nothing_written(process: Process) -> None:
    process.tally.flush()
    process.tally.count(NOW, ACCEPTED)
    process.tally.flush()
    assert len(process.texts) == 1


def test_every_decision_is_counted_exactly(process: Process) -> None:
    """Against what was sent, in random order over two minutes."""
    random, sent = Random(7), Counter[Any]()
    for moment in sorted(random.random() * 120 for _ in range(5_000)):
        cell = Cell(
            random.choice(("one", "two")),
            random.choice(("accepted", "refused", "unavailable")),
            random.choice(("", "token-expired")),
            (random.choice("abc"), "verified", random.choice(("ios", "android")), "7"),
        )
        process.tally.count(NOW + moment, cell)
        sent[int(NOW + moment) // STEP * STEP, *cell] += 1
    process.tally.flush()
    assert process.counted() == sent


def hostile(random: Random) -> Cell:
    """All texts a client's own, as long as it likes."""

    def text() -> str:
        return "".join(random.choices('x"\\\n\u00e9\U0001f600\ud83d', k=random.randrange(200)))

    facts = (text(), text(), text(), text(), text())
    return Cell(text(), random.choice(("refused", "unavailable", "accepted")), text(), facts)


def test_lines_are_bounded_whatever_clients_send(process: Process) -> None:
    """In bytes and in number, and every decision is still counted by its outcome."""
    random, sent = Random(3), Counter[str]()
    for number in range(1_200):
        cell = hostile(random)
        process.tally.count(NOW + number / 300, cell, f"{number}")
        sent[cell.outcome] += 1
    process.tally.flush()
    assert max(map(len, process.texts)) <= MAX_LINE
    assert all(text.isascii() and "\n" not in text for text in process.texts)
    assert len(process.texts) <= 3 + 2
    found = Counter[str]()
    for (_, _, outcome, _, _), times in process.counted().items():
        found[outcome] += times
    assert found == sent


@pytest.mark.parametrize("wide", [False, True])
def test_sketches_of_many_apps_are_bounded_too(process: Process, wide: bool) -> None:
    for number in range(20_000):
        cell = Cell(f"app-{number % 7}" * (12 if wide else 1), ("accepted", "refused", "unavailable")[number % 3])
        process.tally.count(NOW + 1, cell, f"key-{number}")
    process.tally.flush()
    assert max(map(len, process.texts)) <= MAX_LINE


def test_reasons_stay_exact_beyond_the_room_for_facts(process: Process) -> None:
    """A busy API has more routes and builds than a line has room for; why it refuses is known all the same."""
    for number in range(2_000):
        cell = Cell("demo", "refused", f"reason-{number % 7}", (f"orders GET /route/{number}", "expired", "ios", "7"))
        process.tally.count(NOW + 1, cell)
    process.tally.flush()
    by_reason = Counter[str]()
    for (_, _, _, why, _), times in process.counted().items():
        by_reason[why] += times
    assert by_reason == {f"reason-{number}": 286 if number < 5 else 285 for number in range(7)}
    exact = [facts for (_, _, _, _, facts) in process.counted() if facts and facts[0]]
    assert len(exact) >= 60


def test_flood_of_refusals_leaves_the_room_of_accepted_ones(process: Process) -> None:
    """The attack: invented models and apps by the thousand, so that nothing more is known of genuine devices."""
    random = Random(1)
    process.tally.count(NOW, ACCEPTED)
    process.tally.count(NOW, REFUSED)
    for _ in range(300):
        process.tally.count(NOW + 1, hostile(random)._replace(outcome="refused"))
    process.tally.count(NOW + 1, ACCEPTED)
    process.tally.flush()
    assert process.counted()[NOW, *ACCEPTED] == 2


@pytest.mark.parametrize("text", ["x" * 500, "\U0001f600" * 40, '"' * 90, "\ud83d" * 30, "é" * 60])
def test_texts_are_cut_by_octets(text: str) -> None:
    short = beginning(text)
    assert text.startswith(short)
    assert MAX_TEXT - 12 < len(json.dumps(short)) - 2 <= MAX_TEXT
    assert beginning("Pixel 9 Pro") == "Pixel 9 Pro"


@pytest.mark.parametrize("refused", [1, LISTED, LISTED + 1, 500, 10_000])
def test_list_of_refusals_is_short_and_its_weights_add_up(process: Process, refused: int) -> None:
    """All up to a rate, then 8 more whenever their number doubles."""
    weights = [process.tally.count(NOW + 1, REFUSED) for _ in range(refused)]
    assert weights[:LISTED] == [1] * min(refused, LISTED)
    listed = [weight for weight in weights if weight]
    assert len(listed) <= LISTED + 8 * (refused // LISTED).bit_length()
    assert abs(sum(listed) - refused) < max(4, *listed)
    assert process.tally.count(NOW + 2, REFUSED) == 1


def test_which_refusals_are_listed_differs_between_buckets(process: Process) -> None:
    """The attack: one kind of request wherever the list is known to have a gap."""
    places = set()
    for bucket in range(30):
        weights = [process.tally.count(NOW + STEP * bucket, REFUSED) for _ in range(700)]
        places.add(max(place for place, weight in enumerate(weights) if weight))
    assert len(places) > 10


def test_outcomes_are_listed_apart(process: Process) -> None:
    """Many that are accepted keep no refusal from the list."""
    for _ in range(5_000):
        process.tally.count(NOW, ACCEPTED)
    assert process.tally.count(NOW, REFUSED) == 1
