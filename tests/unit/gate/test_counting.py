"""The authorizer counts every decision once, lists refusals, and accepted requests only where it is asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bonafide_tokens.counting.tally import LISTED

from tests.alarms.log_lines import kept
from tests.unit.gate.stand import APP, AUDIENCE, KEY_ID, NOW, Call, Stand, bundle, token

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stand() -> Stand:
    return Stand(list_accepted=False)


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Every line since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def cells(lines: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """App, outcome, reason, facts and times of every cell."""
    for line in lines:
        if line["message"] == "tally":
            for entry in line["counts"]:
                for outcome, why, facts, times in entry["cells"]:
                    yield entry["app"], outcome, why, tuple(facts), times


def test_accepted_request_is_counted_and_not_listed(stand: Stand, call: Call, written: Lines) -> None:
    stand.call(call)
    (line,) = written()
    assert (line["message"], line["v"], line["source"], line["bundle"]) == ("tally", 1, "authorize", [7, 0.0])
    assert [entry["at"] for entry in line["counts"]] == [int(NOW)]
    facts = (f"{AUDIENCE} POST /{{proxy+}}", "verified", "ios", "3.14.1 (2718)")
    assert list(cells([line])) == [(APP, "accepted", "", facts, 1)]
    assert KEY_ID not in json.dumps(line)
    assert set(line["counts"][0]["keys"]) == {"accepted"}


def test_accepted_request_is_listed_where_it_is_asked_for(call: Call, written: Lines) -> None:
    """And counted all the same."""
    Stand(list_accepted=True).call(call)
    tally, decision = written()
    assert decision["outcome"] == "accepted"
    assert "weight" not in decision
    assert [cell[-1] for cell in cells([tally])] == [1]


@pytest.mark.parametrize(
    ("changes", "app", "why", "request_class"),
    [
        ({"token": None, "proof": None}, "", "token-missing", "no-token"),
        ({"token": "garbage", "proof": None}, "", "token-malformed", "invalid"),
        ({"token": token(now=NOW - 1000), "proof": None}, "", "token-expired", "expired"),
        ({"proof": None}, APP, "proof-missing", "invalid"),
    ],
)
def test_refusal_is_counted_by_its_reason_and_listed(
    stand: Stand, call: Call, written: Lines, changes: dict[str, Any], app: str, why: str, request_class: str
) -> None:
    """A token that does not hold names no app."""
    stand.call(call.change(**changes))
    tally, decision = written()
    ((counted, outcome, reason, facts, times),) = cells([tally])
    assert (counted, outcome, reason, facts[1], times) == (app, "refused", why, request_class, 1)
    assert (decision["reason"], len(decision["support_code"])) == (why, 8)


def test_request_that_only_passes_because_the_route_is_monitored_is_counted_with_its_reason(
    stand: Stand, call: Call, written: Lines
) -> None:
    stand.call(call.change(path="/beta/feed", token=None, proof=None))
    ((_, outcome, why, facts, _),) = cells(written())
    assert (outcome, why, facts[1]) == ("accepted", "token-missing", "no-token")


def test_gate_without_a_bundle_counts(call: Call, written: Lines) -> None:
    stand = Stand()
    stand.served = ConnectionError("x")
    stand.call(call)
    lines = written()
    assert lines[0]["bundle"] == [0, 0.0]
    assert [cell[:3] for cell in cells(lines)] == [("", "refused", "bundle-unavailable")]


@pytest.mark.parametrize("event", [None, {"type": "TOKEN"}, {"type": "REQUEST", "version": "2.0"}])
def test_event_that_is_none_is_counted(stand: Stand, written: Lines, event: object) -> None:
    with pytest.raises(Exception, match="Unauthorized"):
        stand.answer(event)
    assert [cell[:3] for cell in cells(written())] == [("", "unavailable", "unreadable-event")]


def test_fault_is_counted(stand: Stand, call: Call, written: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand.gate, "decide", {}.pop)
    stand.call(call)
    assert [cell[:3] for cell in cells(written())] == [("", "unavailable", "unexpected-error")]


def test_methods_that_clients_invent_are_one(stand: Stand, call: Call, written: Lines) -> None:
    """On an HTTP API's $default route a method is whatever a client writes: a row of its own for each."""
    for method in ("GET", "BREW", "PROPFIND", "A" * 99):
        event = call.event() | {"methodArn": call.arn().replace("/POST/", f"/{method}/")}
        stand.answer(event)
    stand.now += 2
    stand.call(call)
    assert {cell[3][0].split()[1] for cell in cells(written())} == {"GET", "OTHER", "POST"}


def test_route_is_the_gateways_name_or_else_what_covered_the_request(stand: Stand, call: Call, written: Lines) -> None:
    """No path of a client's, whose every value would be a row."""
    event = call.event()
    for resource, name in (("/orders/{id}", "/orders/{id}"), ("", "/*")):
        stand.answer(event | {"resource": resource})
        stand.now += 4
        ((*_, facts, _),) = cells(written())
        assert facts[0] == f"{AUDIENCE} POST {name}"


def test_flood_is_sampled_with_weights_and_the_first_of_it_is_found_by_code(
    stand: Stand, call: Call, written: Lines
) -> None:
    event = call.change(token=None, proof=None).event()
    for number in range(1_000):
        event["requestContext"]["requestId"] = f"request-{number}"
        stand.answer(event)
    stand.now += 2
    stand.call(call)
    lines = written()
    listed = [line for line in lines if line["message"] == "decision"]
    assert [line["request_id"] for line in listed[:LISTED]] == [f"request-{number}" for number in range(LISTED)]
    assert len(listed) <= LISTED + 8 * 5
    weights = [line.get("weight", 1) for line in listed]
    assert abs(sum(weights) - 1_000) < max(weights)
    assert sum(times for _, outcome, *_, times in cells(lines) if outcome == "refused") == 1_000


def test_faults_that_are_sampled_count_for_all_in_the_metric(call: Call, written: Lines) -> None:
    """AuthorizerFaultAlarm counts requests, not lines."""
    stand = Stand()
    stand.served = ConnectionError("x")
    event = call.event()
    for _ in range(300):
        stand.answer(event)
    faults = [line for line in written() if "AuthorizerFault" in line]
    assert len(faults) < 120
    weights = [line["AuthorizerFault"] for line in faults]
    assert abs(sum(weights) - 300) < max(weights)
    assert all(line["AuthorizerFault"] == line.get("weight", 1) for line in faults)


def test_age_of_the_bundle_is_told(call: Call, written: Lines) -> None:
    """Since it was last known to be the newest, not since it was made."""
    stand = Stand(bundle(issued_at=NOW - 3_000), list_accepted=False)
    stand.call(call)
    stand.now += 4
    stand.call(call.change(jti="proof-2", made_at=stand.now))
    assert [line["bundle"] for line in written()] == [[7, 0.0], [7, 4.0]]


@pytest.mark.parametrize("level", ["INFO", "WARN", "ERROR"])
def test_tally_is_kept_at_every_log_level(
    stand: Stand, call: Call, written: Lines, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", level)
    stand.call(call)
    assert len(kept(written(), level)) == 1


def parts(line_id: str) -> tuple[str, str]:
    process, _, number = line_id.partition("-")
    assert len(bytes.fromhex(process)) == 8
    return process, number


def test_ids_of_lines_name_the_process_and_number_its_lines(call: Call, written: Lines) -> None:
    """By them a line that is delivered twice is counted once."""
    for _ in range(3):
        stand = Stand()
        for _ in range(5):
            stand.answer(call.change(token=None, proof=None).event())
            stand.now += 2
    ids = [line["id"] for line in written() if line["message"] == "tally"]
    assert len(set(ids)) == len(ids) == 12
    assert [int(number) for _, number in map(parts, ids)] == [1, 2, 3, 4] * 3
    assert len({process for process, _ in map(parts, ids)}) == 3
