"""What dashboards show of the gate is what tally lines say."""

from __future__ import annotations

import json
from typing import Any

from service.tallies.rows import Cell
from service.tallies.tally_line import read_tally_line
from service.tallies.tally_metrics import CLASSES, counted_metrics

from tests.service_stack.tally_lines import AT, counts, tally_line

ORDERS = "orders GET /orders"


def written(*texts: str, now: float = AT + 2) -> list[dict[str, Any]]:
    lines: list[str] = []
    counted_metrics([read_tally_line(text, now=now) for text in texts], now=now).write(lines.append)
    return [json.loads(line) for line in lines]


def test_one_line_has_the_sums_of_a_delivery() -> None:
    """By outcome, exact also where cells found no room; by class, where it is known."""
    good, bad = (
        Cell("accepted", "", (ORDERS, "verified", "ios", "7")),
        Cell("refused", "x", (ORDERS, "no-token", "", "")),
    )
    (line,) = written(
        tally_line(counts({good: 40, bad: 2}), counts({good: 1}, app="other"), bundle=[41, 3.2]),
        tally_line(counts({bad: 5}, other={"refused": 3}), bundle=[40, 71.0], number=2),
        tally_line(counts({Cell("issued", "", ()): 9}), source="challenge", number=3),
        tally_line(counts({Cell("reported", "timeout", ("ios", "", "", "")): 4}), source="beacon", number=4),
        tally_line(counts({Cell("refused", "x", ("", "", "", "", "")): 6}), source="enrol", number=5),
    )
    values = {metric["Name"]: line[metric["Name"]] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert values == {
        "GateAccepted": 41,
        "GateVerified": 41,
        "GateRefused": 10,
        "GateNoToken": 7,
        "ChallengesIssued": 9,
        "FailuresReported": 4,
        "GateBundleAge": 71.0,
        "TallyDelay": 0.0,
    }


def test_delay_is_from_the_end_of_the_bucket() -> None:
    """Of the one that comes latest: a process may have been frozen."""
    text = tally_line(
        counts({Cell("issued", "", ()): 1}), counts({Cell("issued", "", ()): 1}, at=AT - 60), source="challenge"
    )
    assert written(text, now=AT + 5)[0]["TallyDelay"] == 63


def test_names_are_few_whatever_lines_say() -> None:
    """Each is a metric that costs money: a class that there is none is in no name."""
    cells = {Cell("refused", "x", (ORDERS, name, "", "")): 1 for name in (*CLASSES, "of an attacker", "")}
    (line,) = written(tally_line(counts(cells)))
    assert line["GateRefused"] == len(CLASSES) + 2
    assert sum(name.startswith("Gate") for name in line) == len(CLASSES) + 1


def test_nothing_counted_writes_nothing() -> None:
    assert written() == []
