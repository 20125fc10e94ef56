"""Counting decision lines: what the authorizer writes is what the report reads, locally and from CloudWatch Logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bonafide.operator.errors import OperatorError
from bonafide.routes.request_report import CLASSES, deployed_decisions, local_decisions, read_line, report
from bonafide.routes.route_list import read_route

NOW = 1_780_000_000.0


def line(**changes: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "level": "INFO",
        "message": "decision",
        "action": "authorize",
        "outcome": "accepted",
        "request_class": "verified",
        "requirement": "monitor",
        "audience": "orders",
        "method": "GET",
        "route": "/orders",
        "route_pattern": "GET /orders",
        "request_id": "r-1",
    }
    return {**usual, **changes}


def text(**changes: object) -> str:
    return json.dumps(line(**changes), separators=(",", ":"))


def test_every_class_is_counted_per_route() -> None:
    """And what passed although it is not verified is what enforcing would refuse."""
    lines = [text(request_class=name) for name in CLASSES] + [text(route="/status", request_class="unchecked")]
    first, second = report(filter(None, (read_line(one, None) for one in lines)))
    assert first.classes == dict.fromkeys(CLASSES, 1)
    assert (first.total, first.would_be_refused) == (7, 6)
    assert (second.route, second.would_be_refused) == ("/status", 0)


def test_requests_that_were_refused_already_are_not_counted_as_would_be() -> None:
    """Under `proof` nothing is hidden."""
    (route,) = report(filter(None, [read_line(text(outcome="refused", request_class="expired"), None)]))
    assert (route.total, route.would_be_refused) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"route": "/payments/{id}"}, "/payments/{id}"),
        ({"route": "GET /orders"}, "/orders"),
        ({"route": "$default"}, "$default"),
        ({"route": ""}, "/orders"),
        ({"route": "ANY /{proxy+}"}, "/{proxy+}"),
        ({"route": "", "route_pattern": ""}, "/*"),
    ],
)
def test_route_has_one_name_whatever_the_gateway(changes: dict[str, object], expected: str) -> None:
    """REST APIs, HTTP APIs and TOKEN authorizers name it differently."""
    found = read_line(text(**changes), None)
    assert found is not None
    assert found.route == expected
    read_route(f"{found.method} {found.route}")  # what is reported can be set


@pytest.mark.parametrize(
    "other",
    ["", "START RequestId: 1", '{"authorize"', '["authorize"]', text(message="trust bundle"), text(action="enrol")],
)
def test_other_lines_are_passed_over(other: str) -> None:
    """A log holds more than decisions, and some of it is no JSON."""
    assert read_line(other, None) is None


def test_local_report_reads_all_logs_and_takes_moments_from_the_access_log(tmp_path: Path) -> None:
    """--since works on a laptop, where lines have no time; requests without a time count."""
    (tmp_path / "orders-backend").mkdir()
    (tmp_path / "AuthorizeRequestFunction.log").write_text(
        "\n".join((text(request_id="old"), "noise", text(request_id="new"), text(request_id="unknown"))) + "\n"
    )
    (tmp_path / "orders-backend" / "AuthorizeRequestFunction.log").write_text(text(request_id="other") + "\n")
    access = [{"request_id": "old", "time": (NOW - 100) * 1000}, {"request_id": "new", "time": NOW * 1000}]
    (tmp_path / "access.log").write_text("\n".join(map(json.dumps, access)) + "\nbroken\n")
    (route,) = report(local_decisions([tmp_path, tmp_path / "orders-backend"]), since=NOW - 10)
    assert route.total == 3


class NotThere(Exception):
    pass


class CloudWatch:
    """The part of boto3's `logs` client that is used, over pages of events."""

    class exceptions:
        ResourceNotFoundException = NotThere

    def __init__(self, groups: Mapping[str, list[list[dict[str, Any]]]]) -> None:
        self.groups = groups
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "filter_log_events"
        return self

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(arguments)
        if arguments["logGroupName"] not in self.groups:
            raise NotThere
        yield from ({"events": events} for events in self.groups[arguments["logGroupName"]])


def test_deployed_report_reads_every_page_of_every_group() -> None:
    """From the moment asked for, in milliseconds, decisions only."""
    event = {"message": text() + "\n", "timestamp": int(NOW * 1000)}
    noise = {"message": "END", "timestamp": int(NOW * 1000)}
    logs = CloudWatch({"one": [[event, noise], [], [event]], "two": [[event]]})
    (route,) = report(deployed_decisions(logs, ["one", "two"], since=NOW - 60), since=NOW - 60, audience="orders")
    assert route.total == 3
    assert [asked["startTime"] for asked in logs.asked] == [int((NOW - 60) * 1000)] * 2
    assert '$.action = "authorize"' in logs.asked[0]["filterPattern"]


def test_log_group_that_is_not_there_is_said() -> None:
    """One sentence with its name."""
    with pytest.raises(OperatorError, match="no log group three"):
        list(deployed_decisions(CloudWatch({}), ["three"], since=0))


def test_other_audiences_are_left_out_when_one_is_named() -> None:
    """One authorizer's log group may hold several APIs."""
    lines = [read_line(text(audience=name), None) for name in ("orders", "profile")]
    assert [route.audience for route in report(filter(None, lines), audience="profile")] == ["profile"]
