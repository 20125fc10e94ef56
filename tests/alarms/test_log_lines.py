"""What alarms and the archive need is kept at every `LogLevel`, and read as metrics; by Lambda's documented rule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import decision_log
import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.gate import Decision
from bonafide_tokens.gate.request import GatedRequest, Kind
from bonafide_tokens.presented import PresentedRequest
from service.telemetry.decisions import count

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.alarms.log_lines import kept, level_of, lines_of, metrics_of

STACK = frozenset({("stack", "unit"), ("service", "bonafide")})
DATED = "2026-11-27T10:00:00Z"


LOGGING = """
from service.telemetry.decisions import DecisionRecord, log_decision, logger, measure_seconds
log_decision(DecisionRecord(action="enrol"), outcome="accepted", reason="accepted")
measure_seconds("EndorsementsAge", 7.0, stack="unit")
logger().info("trust bundle published")
"""


def in_lambda(level: str) -> str:
    """The template's ApplicationLogLevel for a LogLevel."""
    template = Template.load(
        Layout.of_this_project().template, parameters={"LogLevel": level}, pseudo=pseudo_parameters("stack")
    )
    settings = template.resolve(template.data["Globals"]["Function"]["LoggingConfig"])
    return str(settings["ApplicationLogLevel"])


@pytest.fixture(params=["INFO", "WARN"])
def log_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STACK_NAME", "unit")
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", str(request.param))
    return str(request.param)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARN", "ERROR"])
def test_decisions_and_metrics_are_kept_and_other_lines_as_the_level_says(level: str) -> None:
    """The failure: at WARN no decision is archived and no alarm ever rings. In a process of its own: a logger takes its
    level once."""
    ended = subprocess.run(
        [sys.executable, "-c", LOGGING],
        env={
            "PYTHONPATH": os.pathsep.join(sys.path),
            "STACK_NAME": "unit",
            "POWERTOOLS_SERVICE_NAME": "bonafide",
            "POWERTOOLS_LOG_LEVEL": level,
            "AWS_LAMBDA_LOG_LEVEL": in_lambda(level),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = kept(lines_of(ended.stdout), in_lambda(level))
    told = [] if level in ("WARN", "ERROR") else ["trust bundle published"]
    assert [line.get("message") for line in lines] == ["tally", None, "decision", None, *told]
    assert all(level_of(line) == line["level"] for line in lines)
    values = [value for line in lines for value in metrics_of(line) if value.name != "EnrolOwnTime"]
    assert [(v.name, v.value, v.unit, v.dimensions) for v in values] == [
        ("EnrolAccepted", 1, "Count", STACK),
        ("EndorsementsAge", 7, "Seconds", STACK),
    ]


@pytest.mark.parametrize("log_level", ["INFO", "WARN", "ERROR"], indirect=True)
def test_faults_of_the_authorizer_are_kept_and_counted(log_level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no logger and no right to call CloudWatch: its lines are all there is."""
    request = GatedRequest(Kind.REST_REQUEST, PresentedRequest("GET", "", [], None, []), "/", "r", "/", "", "")
    for reason in (Reason.BUNDLE_UNAVAILABLE, Reason.PROOF_UNSPENT, Reason.PROOF_CACHED, Reason.TOKEN_EXPIRED, None):
        decision_log.log_decision(request, Decision(False, "unchecked", None, 0, reason=reason), "api")
    decision_log.log_fault("unexpected error", ValueError("x"), request_id="r")
    decision_log.log_warning("impossible settings", "x")
    lines = kept(lines_of(capsys.readouterr().out), log_level)
    values = [value for line in lines for value in metrics_of(line)]
    assert [(v.name, v.value, v.dimensions) for v in values] == [("AuthorizerFault", 1, STACK)] * 5
    assert len(lines) == (7 if log_level == "INFO" else 5)


@pytest.mark.parametrize("log_level", ["INFO", "WARN"], indirect=True)
def test_failed_refresh_of_the_trust_bundle_is_counted(log_level: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The gate goes on by the last one, and only its log says how long it has been."""
    decision_log.log_bundle(Reason.BUNDLE_UNAVAILABLE, "no whole answer in time")
    decision_log.log_bundle(None, "trust bundle 7")
    lines = kept(lines_of(capsys.readouterr().out), log_level)
    assert [v.name for line in lines for v in metrics_of(line)] == ["BundleNotRefreshed"]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ({"level": "ERROR", "timestamp": DATED}, "ERROR"),
        ({"level": "error", "timestamp": "2026-11-27T10:00:00.123+00:00"}, "ERROR"),
        ({"level": "ERROR"}, "INFO"),
        ({"level": "ERROR", "timestamp": "2026-11-27 10:00:00,123+0000"}, "INFO"),
        ({"level": "LOUD", "timestamp": DATED}, "INFO"),
        ({"timestamp": DATED}, "INFO"),
        ({"level": "DEBUG", "timestamp": DATED}, "DEBUG"),
    ],
)
def test_rule_of_levels(line: dict[str, Any], level: str) -> None:
    """As Lambda documents it."""
    assert level_of(line) == level


@pytest.mark.parametrize(
    "changes",
    [
        {"stack": None},
        {"stack": ""},
        {"EnrolAccepted": "1"},
        {"EnrolAccepted": []},
        {"EnrolAccepted": True},
        {"_aws": {"CloudWatchMetrics": []}},
    ],
)
def test_line_that_breaks_the_format_is_no_metric(
    changes: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudWatch drops it without a word, so the reader must not be kinder."""
    monkeypatch.setenv("STACK_NAME", "unit")
    count("EnrolAccepted")
    line = json.loads(capsys.readouterr().out)
    assert len(list(metrics_of(line))) == 1
    with pytest.raises(ValueError, match=r".+"):
        list(metrics_of({**line, **changes}))
