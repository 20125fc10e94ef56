"""Every decision of the verifier functions is counted once, whatever became of the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bonafide_tokens.counting.tally import LISTED
from service.errors import Unavailable
from service.tallies.rows import OUTCOMES
from service.telemetry.decisions import DecisionRecord, log_decision
from service.telemetry.tally_lines import SOURCES, count_decision, forget_counts, tally

from tests.alarms.log_lines import kept, metrics_of
from tests.service_stack.memory_stack import APP, NOW, MemoryStack

Lines = Callable[[], list[dict[str, Any]]]
SOURCE_OF = {"/v1/attestations": "enrol", "/v1/tokens": "renew", "/v1/signals": "signal", "/v1/challenges": "challenge"}


def cells(lines: list[dict[str, Any]], source: str) -> Iterator[tuple[Any, ...]]:
    """App, outcome, reason, facts and times of every cell of a source."""
    for line in lines:
        if line.get("message") == "tally" and line["source"] == source:
            for entry in line["counts"]:
                for outcome, why, facts, times in entry["cells"]:
                    yield entry["app"], outcome, why, tuple(facts), times


def fails(*_arguments: object, **_named: object) -> Any:
    raise Unavailable("dynamodb:GetItem: InternalServerError")


def enrolment(stack: MemoryStack, app: str = APP, **said: Any) -> dict[str, Any]:
    installation = stack.installation(app=app)
    return dict(installation.attestation_body(installation.client_data(stack.challenge(app), **said)))


def test_enrolment_and_renewal_are_counted_with_what_is_known(stack: MemoryStack, log_lines: Lines) -> None:
    installation = stack.installation()
    said = {"app_build": "41", "os": "iOS 18.1", "model": "iPhone17,1"}
    body = installation.attestation_body(installation.client_data(stack.challenge(), **said))
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 201
    renewal = installation.renewal_body(installation.client_data(stack.challenge(), **said))
    assert stack.send("POST", "/v1/tokens", renewal)["statusCode"] == 200
    lines = log_lines()
    expected = [(APP, "accepted", "", ("ios", "41", "iOS 18.1", "iPhone17,1", ""), 1)]
    assert list(cells(lines, "enrol")) == expected
    assert list(cells(lines, "renew")) == expected
    keys = [line["counts"][0]["keys"]["accepted"] for line in lines if line.get("source") in ("enrol", "renew")]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_challenges_are_counted_by_their_app_alone(stack: MemoryStack, log_lines: Lines) -> None:
    stack.challenge()
    assert list(cells(log_lines(), "challenge")) == [(APP, "issued", "", (), 1)]


def test_rule_that_decided_is_told(stack: MemoryStack, log_lines: Lines) -> None:
    """Not every rule that took part: the first that refused."""
    stack.send("POST", "/v1/attestations", enrolment(stack, signals=("odd", "hooking")))
    lines = log_lines()
    ((_, outcome, why, _, _),) = cells(lines, "enrol")
    assert (outcome, why) == ("refused", "rule:signal-hooking")
    (decision,) = [line for line in lines if line.get("message") == "decision"]
    assert decision["reason"] == "appraisal-contraindicated"


def test_rule_that_lowered_to_a_warning_is_told(stack: MemoryStack, log_lines: Lines) -> None:
    """What a policy only warns of is seen as well, and not lost among plain acceptances."""
    stack.send("POST", "/v1/attestations", enrolment(stack, signals=("inline-hook",)))
    ((_, outcome, why, _, _),) = cells(log_lines(), "enrol")
    assert (outcome, why) == ("accepted", "rule:signal-other")


@pytest.mark.parametrize("route", SOURCE_OF)
@pytest.mark.parametrize(
    ("body", "why"),
    [({}, "malformed-request"), ("{", "malformed-request"), (None, "malformed-request"), ("x" * 99_999, "too-large")],
)
def test_request_that_cannot_be_read_is_counted(
    stack: MemoryStack, log_lines: Lines, route: str, body: object, why: str
) -> None:
    stack.send("POST", route, body)
    ((app, outcome, reason, _, times),) = cells(log_lines(), SOURCE_OF[route])
    assert (app, outcome, reason, times) == ("", "refused", why, 1)


def test_unknown_app_and_unknown_key_are_counted(stack: MemoryStack, log_lines: Lines) -> None:
    stack.send("POST", "/v1/attestations", enrolment(stack, app="no-such-app"))
    stranger = stack.installation()
    stack.send("POST", "/v1/tokens", stranger.renewal_body(stranger.client_data(stack.challenge())))
    lines = log_lines()
    assert [cell[:3] for cell in cells(lines, "enrol")] == [("no-such-app", "refused", "app-unknown")]
    assert [cell[:3] for cell in cells(lines, "renew")] == [("", "refused", "key-unknown")]


@pytest.mark.parametrize(("broken", "why"), [(fails, "try-later"), ({}.pop, "unexpected-error")])
def test_what_fails_on_our_side_is_counted(
    stack: MemoryStack, log_lines: Lines, broken: Callable[..., Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = enrolment(stack)
    log_lines()
    monkeypatch.setattr(stack.apps, "find", broken)
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 503
    assert [cell[:3] for cell in cells(log_lines(), "enrol")] == [(APP, "unavailable", why)]


def test_flood_of_refusals_is_listed_as_a_sample_and_counted_as_a_whole(stack: MemoryStack, log_lines: Lines) -> None:
    """Its lines and its metrics say for how many they stand."""
    for _ in range(200):
        stack.send("POST", "/v1/tokens", {})
    stack.pass_by(2)
    stack.send("POST", "/v1/tokens", {})
    lines = log_lines()
    decisions = [line for line in lines if line.get("message") == "decision"][:-1]
    weights = [line.get("weight", 1) for line in decisions]
    assert weights[:LISTED] == [1] * LISTED
    assert LISTED < len(weights) < 100
    assert abs(sum(weights) - 200) < max(weights)
    assert sum(times for *_, times in cells(lines, "renew")) == 200
    values = [value for line in lines for value in metrics_of(line)]
    assert sum(value.value for value in values if value.name == "RenewRefused") == 201  # those of the last request, too
    assert sum("_aws" in line for line in lines) <= 3
    assert 0 < len([value for value in values if value.name == "RenewOwnTime"]) <= 3 * 20


def test_accepted_ones_are_all_listed(stack: MemoryStack, log_lines: Lines) -> None:
    """A replay judges each of them by another policy."""
    for _ in range(LISTED + 10):
        stack.send("POST", "/v1/attestations", enrolment(stack))
    decisions = [line for line in log_lines() if line.get("message") == "decision"]
    assert [line["outcome"] for line in decisions] == ["accepted"] * (LISTED + 10)
    assert not any("weight" in line for line in decisions)


@pytest.mark.parametrize("level", ["INFO", "WARN", "ERROR"])
def test_counts_are_kept_at_every_log_level(
    stack: MemoryStack, log_lines: Lines, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", level)
    stack.send("POST", "/v1/tokens", {})
    assert len([line for line in kept(log_lines(), level) if line.get("message") == "tally"]) == 1


def test_log_that_cannot_be_written_costs_no_device_a_token(
    stack: MemoryStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, _text: str) -> int:
            raise OSError("no space left")

        def flush(self) -> None: ...

    body = enrolment(stack)
    monkeypatch.setattr("sys.stdout", Full())
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 201
    assert count_decision("beacon", at=stack.now, app=APP, outcome="reported", why="timeout") == 1


def test_beacon_is_counted_by_one_call(stack: MemoryStack, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        facts = ("android", "41", "Android 16", "Pixel 9")
        count_decision("beacon", at=stack.now, app=APP, outcome="reported", why="play-missing", facts=facts)
    tally("beacon").flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(cells(lines, "beacon")) == [
        (APP, "reported", "play-missing", ("android", "41", "Android 16", "Pixel 9"), 1),
        (APP, "reported", "play-missing", ("android", "41", "Android 16", "Pixel 9"), 2),
    ]


def test_lines_are_numbered_in_a_process_whose_name_is_drawn_for_the_first(
    stack: MemoryStack, log_lines: Lines
) -> None:
    """By them a line that is delivered twice counts once, and one process's lines count in one row."""
    found = []
    for _ in range(2):
        stack.challenge()
        stack.send("POST", "/v1/attestations", {})
        lines = [line["id"].partition("-") for line in log_lines() if line.get("message") == "tally"]
        found.append((len(lines), {process for process, _, _ in lines}, [int(number) for *_, number in lines]))
        forget_counts()
    (count, (one,), numbers), (_, (other,), _) = found
    assert numbers == list(range(numbers[0], numbers[0] + count))
    assert count == 2
    assert one != other
    assert len(bytes.fromhex(one)) == 8


def test_what_no_tally_is_read_of_is_listed_by_the_same_rules(log_lines: Lines) -> None:
    """A line of a source that the reader does not know would count as damaged."""
    for number in range(100):
        record = DecisionRecord(action="later", at=NOW, request_id=f"{number}")
        log_decision(record, outcome="refused", reason="key-unknown")
    tally("later").flush()
    lines = log_lines()
    assert not [line for line in lines if line.get("message") == "tally"]
    weights = [line.get("weight", 1) for line in lines if line.get("message") == "decision"]
    assert LISTED < len(weights) < 60
    values = [value for line in lines for value in metrics_of(line)]
    assert sum(value.value for value in values if value.name == "LaterRefused") == 100


def test_sources_are_those_that_are_read() -> None:
    assert OUTCOMES.keys() - {"authorize"} == SOURCES


@pytest.mark.parametrize(
    ("broken", "message", "metric"),
    [(fails, "unavailable", "Unavailable"), ({}.pop, "unexpected error", "UnexpectedError")],
)
def test_flood_that_something_of_ours_does_not_stand_is_bounded_too(
    stack: MemoryStack,
    log_lines: Lines,
    broken: Callable[..., Any],
    message: str,
    metric: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The attack: each request costs a call that is refused, and three lines that say so."""
    monkeypatch.setattr("service.telemetry.decisions.time.time", lambda: NOW)
    monkeypatch.setattr(stack.apps, "find", broken)
    installation = stack.installation()
    body = installation.attestation_body(installation.client_data(stack.challenge()))
    log_lines()
    for _ in range(300):
        assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 503
    lines = log_lines()
    weights = [line.get("weight", 1) for line in lines if line.get("message") == message]
    assert weights[:LISTED] == [1] * LISTED
    assert len(lines) < 3 * (LISTED + 4 * 8) + 10
    counted = sum(value.value for line in lines for value in metrics_of(line) if value.name == metric)
    assert counted == sum(weights)
    assert abs(sum(weights) - 300) < max(weights)
