"""What is logged, and what never is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from service.telemetry import decisions as telemetry
from service.telemetry.decisions import DecisionRecord, log_decision, log_unexpected, places

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import MemoryStack

Lines = Callable[[], list[dict[str, Any]]]


def decisions(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line.get("message") == "decision"]


def test_every_attestation_and_renewal_is_one_decision_line(stack: MemoryStack, log_lines: Lines) -> None:
    """Enough to count, look up and replay a decision: who, what, why."""
    installation = stack.installation()
    stack.enrol(installation)
    body = installation.renewal_body(installation.client_data(stack.challenge()))
    stack.send("POST", "/v1/tokens", body)
    stack.send("POST", "/v1/tokens", body)
    enrolled, renewed, repeated = decisions(log_lines())
    for line, action, outcome, reason in (
        (enrolled, "enrol", "accepted", "accepted"),
        (renewed, "renew", "accepted", "accepted"),
        (repeated, "renew", "refused", "challenge-spent"),
    ):
        assert (line["action"], line["outcome"], line["reason"]) == (action, outcome, reason)
        assert (line["app"], line["platform"], line["app_build"]) == ("demo", "ios", "1")
        assert line["key_id"] == installation.bonafide_key_id
        assert line["request_id"]
    assert (enrolled["tier"], enrolled["findings"], enrolled["policy_version"]) == ("affirming", [], 0)


def secrets_of(value: object) -> list[str]:
    """Every text of a body that must not be logged: all but names of formats and apps."""
    if isinstance(value, dict):
        members = {name: member for name, member in value.items() if name not in ("key_id", "app", "format")}
        return [text for member in members.values() for text in secrets_of(member)]
    if isinstance(value, list):
        return [text for member in value for text in secrets_of(member)]
    return [value] if isinstance(value, str) and len(value) > 16 else []


def test_no_log_line_holds_evidence_tokens_or_challenges(
    stack: MemoryStack, capsys: pytest.CaptureFixture[str], log_lines: Lines
) -> None:
    """Searched for, in every line of a busy day: accepted, refused, malformed, and broken inside."""
    sent: list[object] = []
    installation, hostile = stack.installation(), stack.installation(development=True)
    answers = [stack.enrol(installation)]
    challenge = stack.challenge()
    bodies = [
        ("/v1/tokens", installation.renewal_body(installation.client_data(challenge))),
        ("/v1/tokens", installation.renewal_body(installation.client_data(challenge))),
        ("/v1/attestations", hostile.attestation_body(hostile.client_data(stack.challenge()))),
        ("/v1/attestations", {**hostile.attestation_body(hostile.client_data(challenge)), "x" * 20: "y" * 20}),
    ]
    for path, body in bodies:
        sent.append(body)
        answers.append(json_of(stack.send("POST", path, body)))
    stack.apps.find = lambda app: {}[f"{app} {bodies[0]}"]  # type: ignore[method-assign,index]
    assert stack.send("POST", *bodies[2])["statusCode"] == 503
    log = json.dumps(log_lines())
    assert log.count('"decision"') >= 6
    searched = secrets_of(sent) + secrets_of([{k: a.get(k) for k in ("token", "next_challenge")} for a in answers])
    searched += [challenge, "x" * 20, "y" * 20]
    assert len(searched) > 10
    for secret in searched:
        assert secret not in log
        assert secret[:40] not in log


def test_app_build_cannot_forge_a_log_line(stack: MemoryStack, log_lines: Lines) -> None:
    """The attack: line breaks in what the app says about itself."""
    installation = stack.installation()
    data = installation.client_data(stack.challenge(), app_build='1"}\n{"message": "decision", "outcome": "accepted"')
    stack.send("POST", "/v1/attestations", installation.attestation_body(data))
    assert len(decisions(log_lines())) == 1


def test_logging_that_fails_costs_no_client_its_token(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a closed pipe is our problem, not the app's."""

    def broken() -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(telemetry, "logger", broken)
    assert stack.enrol(stack.installation())["token"]


def test_broken_record_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Best effort in every function of the module."""
    monkeypatch.setattr(telemetry, "logger", lambda: None)
    log_decision(DecisionRecord(action="enrol"), outcome="accepted", reason="accepted")
    log_unexpected(ValueError("x"))


def test_places_name_functions_and_no_values() -> None:
    """Where it happened, not with what."""
    try:
        json.loads("secret")
    except ValueError as error:
        found = places(error)
    assert found[0].startswith("service/test_telemetry.py:")
    assert found[-1].endswith("raw_decode")
    assert "secret" not in str(found)


def test_decision_about_odd_text_is_logged(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: half a surrogate pair in app_build, which standard output cannot encode, and the refusal leaves no
    line: fraud that is not counted."""
    written = io.BytesIO()
    monkeypatch.setattr(telemetry.logger().registered_handler, "stream", io.TextIOWrapper(written, "utf-8"))
    record = DecisionRecord(action="enrol", app="demo", app_build="\ud800 \u202e 7", key_id="ключ")
    log_decision(record, outcome="refused", reason="unknown-app")
    installation = stack.android(locked=False)
    data = installation.client_data(stack.challenge(), app_build="\ud800")
    stack.send("POST", "/v1/attestations", installation.attestation_body(data))
    lines = decisions([json.loads(line) for line in written.getvalue().decode("ascii").splitlines()])
    assert [line["outcome"] for line in lines] == ["refused", "refused"]
    assert (lines[0]["app_build"], lines[0]["key_id"]) == ("\ud800 \u202e 7", "ключ")


def test_metric_of_an_error_has_the_dimensions_of_its_alarm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm over other dimensions than the metric's never rings."""
    monkeypatch.setenv("STACK_NAME", "unit")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "bonafide")
    telemetry.count("UnexpectedError")
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if "UnexpectedError" in text]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert [sorted(names) for names in directive["Dimensions"]] == [["service", "stack"]]
    alarm = read_template(ROOT / "template.yaml")["Resources"]["UnexpectedErrorAlarm"]["Properties"]
    assert (directive["Namespace"], alarm["MetricName"]) == (alarm["Namespace"], "UnexpectedError")
    assert sorted(dimension["Name"] for dimension in alarm["Dimensions"]) == ["service", "stack"]
