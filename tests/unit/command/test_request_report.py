"""Counting decision lines: what the authorizer writes is what the report reads, locally and from CloudWatch Logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.routes import Requirement, RouteRequirement

from bonafide.operator.errors import OperatorError
from bonafide.routes.request_report import (
    CLASSES,
    DecisionLine,
    RouteReport,
    deployed_decisions,
    local_decisions,
    read_line,
    report,
)
from bonafide.routes.route_coverage import asked_now
from bonafide.routes.route_list import read_route
from tests.unit.gate.stand import Call, Stand

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


def tally(*cells: object, at: int = int(NOW), **members: object) -> str:
    """A line of counts; ``other`` and the like are members of its one bucket."""
    counts = [{"at": at, "app": "demo", "cells": list(cells), **members}]
    return json.dumps({"message": "tally", "v": 1, "id": "0-1", "source": "authorize", "counts": counts})


def cell(
    times: int, *, outcome: str = "accepted", why: str = "", route: str = "orders GET /orders", **more: str
) -> object:
    return [outcome, why, [route, more.get("request_class", "verified"), "ios", "7"], times]


def read(*texts: str) -> list[DecisionLine]:
    return [decision for one in texts for decision in read_line(one, None)]


def test_every_class_is_counted_per_route() -> None:
    """And what passed although it is not verified is what enforcing would refuse."""
    lines = [text(request_class=name) for name in CLASSES] + [text(route="/status", request_class="unchecked")]
    first, second = report(read(*lines))
    assert first.classes == dict.fromkeys(CLASSES, 1)
    assert (first.total, first.would_be_refused) == (7, 6)
    assert (second.route, second.would_be_refused) == ("/status", 0)


def test_requests_that_were_refused_already_are_not_counted_as_would_be() -> None:
    """Under `proof` nothing is hidden."""
    (route,) = report(read(text(outcome="refused", request_class="expired")))
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
    (found,) = read(text(**changes))
    assert found.route == expected
    read_route(f"{found.method} {found.route}")  # what is reported can be set


@pytest.mark.parametrize(
    "other",
    [
        "",
        "START RequestId: 1",
        '{"authorize"',
        '["authorize"]',
        text(message="trust bundle"),
        text(action="enrol"),
        tally(cell(1)).replace('"v": 1', '"v": 2'),
        tally(["accepted", "", "authorize", 1]),
        tally(["accepted", "", [], 1]),
        tally(cell(1)).replace('"at"', '"time"'),
        tally(cell(1), other=[1]),
    ],
)
def test_other_lines_are_passed_over(other: str) -> None:
    """A log holds more than decisions, and some of it is no JSON."""
    assert read_line(other, None) == []


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
    lines = read(*(text(audience=name) for name in ("orders", "profile")))
    assert [route.audience for route in report(lines, audience="profile")] == ["profile"]


def test_counts_are_read_per_route_and_class() -> None:
    """What passes although it is not verified is what enforcing would refuse; such a route is monitored."""
    (orders, status) = report(
        read(
            tally(cell(40), cell(2, why="token-missing", request_class="no-token")),
            tally(cell(60), cell(3, outcome="refused", why="token-expired", request_class="expired")),
            tally(cell(7, route="orders GET /status", request_class="unchecked")),
        )
    )
    assert (orders.method, orders.route, orders.modes) == ("GET", "/orders", {"monitor"})
    assert (orders.classes, orders.would_be_refused) == ({"verified": 100, "no-token": 2, "expired": 3}, 2)
    assert (status.route, status.modes, status.total, status.would_be_refused) == ("/status", {"off"}, 7, 0)


def test_request_that_is_counted_and_listed_is_one_request() -> None:
    """Refusals are both; the list knows what the route asked for."""
    refused = cell(5, outcome="refused", why="token-expired", request_class="expired")
    listed = text(outcome="refused", request_class="expired", requirement="proof", counted=True)
    (route,) = report(read(tally(refused), listed, listed))
    assert (route.total, route.modes) == (5, {"proof"})


def test_lines_of_an_earlier_release_count_beside_counts() -> None:
    """A report reaches back to before an update."""
    (route,) = report(read(text(), tally(cell(5)), text()))
    assert (route.total, route.modes) == (7, {"monitor"})


def test_buckets_have_their_own_time() -> None:
    """A process that was frozen writes late."""
    lines = [d for at in (NOW - 100, NOW) for d in read_line(tally(cell(1), at=int(at)), NOW)]
    (route,) = report(lines, since=NOW - 10)
    assert route.total == 1


def test_what_found_no_room_is_told_without_its_route() -> None:
    """Not left out: the sum would be wrong."""
    blank = ["refused", "token-expired", ["", "", "", ""], 2]
    (unknown, orders) = report(read(tally(cell(1), blank, other={"accepted": 3})))
    assert (unknown.audience, unknown.route, unknown.total) == ("", "", 5)
    assert orders.total == 1


def test_route_that_was_cut_is_still_counted() -> None:
    """A name may be longer than a line tells."""
    (route,) = report(read(tally(cell(4, route="x" * 96))))
    assert (route.audience, route.method, route.route, route.total) == ("x" * 96, "", "", 4)


def test_authorizers_own_lines_are_what_the_report_reads(capsys: pytest.CaptureFixture[str]) -> None:
    stand = Stand(list_accepted=False)
    for path in ("/v1/whoami", "/beta/feed", "/public/x", "/v1/orders"):
        for call in (Call(path=path, method="GET", jti=path), Call(path=path, method="GET", token=None, proof=None)):
            stand.answer({**call.event(), "resource": path})
    stand.now += 2
    stand.answer({**Call(path="/public/x", method="GET").event(), "resource": "/public/x"})
    routes = {route.route: route for route in report(read(*capsys.readouterr().out.splitlines()))}
    assert {name: (route.total, route.would_be_refused) for name, route in routes.items()} == {
        "/v1/whoami": (2, 0),
        "/beta/feed": (2, 1),
        "/public/x": (2, 0),
        "/v1/orders": (2, 0),
    }
    assert {name: route.modes for name, route in routes.items()} == {
        "/v1/whoami": {"token"},
        "/beta/feed": {"monitor"},
        "/public/x": {"off"},
        "/v1/orders": {"proof"},
    }


def test_what_a_route_asks_for_now_is_known_from_its_list() -> None:
    routes = (
        RouteRequirement("GET", "/orders", Requirement.MONITOR),
        RouteRequirement("*", "/orders/*", Requirement.TOKEN),
        RouteRequirement("*", "/*", Requirement.PROOF),
    )
    expected = {
        ("GET", "/orders"): {"monitor"},
        ("POST", "/orders/{id}"): {"token"},
        ("GET", "/{proxy+}"): {"monitor", "token", "proof"},
        ("GET", "/carts"): {"proof"},
        ("", ""): set[str](),
    }
    assert {place: asked_now(routes, RouteReport("orders", *place)) for place in expected} == expected
    assert asked_now(routes[:1], RouteReport("orders", "POST", "/orders")) == set()
