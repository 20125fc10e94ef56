"""What a decision line holds so that another policy can judge the same decision later, and the metrics beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from attestation.appraisal.result import AttestationResult, Finding, Tier
from service.telemetry import decisions as telemetry
from service.telemetry.decisions import DecisionRecord, country_of, log_decision
from service.telemetry.tally_lines import tally

from tests.service_stack.memory_stack import MemoryStack

Lines = Callable[[], list[dict[str, Any]]]


class Looked(NamedTuple):
    """Facts, as far as telemetry knows them."""

    context: Mapping[str, object]
    broken: bool = False

    def to_record(self) -> dict[str, object]:
        if self.broken:
            raise ValueError("no record")
        return {"context": dict(self.context)}


def result(*findings: Finding) -> AttestationResult:
    return AttestationResult(tier=Tier.WARNING, findings=findings, trustworthiness={}, policy_version=3)


def metrics(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    tally("renew").flush()
    return [json.loads(text) for text in capsys.readouterr().out.splitlines() if '"Rule' in text]


def test_line_says_when_and_on_what_it_was_decided(stack: MemoryStack, log_lines: Lines) -> None:
    """The time by which it was judged, not the time of writing; system and model as the app says them."""
    installation = stack.installation()
    data = installation.client_data(stack.challenge(), os="iOS 18.1", model="iPhone17,1")
    stack.send("POST", "/v1/attestations", installation.attestation_body(data))
    (line,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert (line["at"], line["os"], line["model"], line["country"]) == (stack.now, "iOS 18.1", "iPhone17,1", "")


def test_facts_are_on_the_line_once_noted(log_lines: Lines) -> None:
    """A refusal before appraisal has none, and says so by their absence: there is nothing to judge again."""
    record = DecisionRecord(action="renew", at=7.0)
    log_decision(record, outcome="refused", reason="challenge-spent")
    record.note_facts(Looked({"app_build": "7"}))
    log_decision(record, outcome="accepted", reason="accepted")
    without, with_facts = [line for line in log_lines() if line.get("message") == "decision"]
    assert "facts" not in without
    assert with_facts["facts"] == {"context": {"app_build": "7"}}


def test_facts_that_cannot_be_written_cost_no_device_a_token(log_lines: Lines) -> None:
    """Best effort, as everything that is only told."""
    record = DecisionRecord(action="renew")
    record.note_facts(Looked({}, broken=True))
    log_decision(record, outcome="accepted", reason="accepted")
    assert [line.get("message") for line in log_lines()] == ["tally", None]  # and the metric


@pytest.mark.parametrize(
    ("headers", "header", "country"),
    [
        ({"cloudfront-viewer-country": "DE"}, "CloudFront-Viewer-Country", "DE"),
        ({"cloudfront-viewer-country": "de"}, "CloudFront-Viewer-Country", "DE"),
        ({"cloudfront-viewer-country": "DE"}, "", None),
        ({"cloudfront-viewer-country": "DE"}, "CF-IPCountry", None),
        ({"cf-ipcountry": "DEU"}, "CF-IPCountry", None),
        ({"cf-ipcountry": "D\n"}, "CF-IPCountry", None),
        ({"cf-ipcountry": "\u0661\u0662"}, "CF-IPCountry", None),
        ({"cf-ipcountry": ""}, "CF-IPCountry", None),
    ],
)
def test_country_is_two_letters_of_the_one_header(headers: dict[str, str], header: str, country: str | None) -> None:
    """The attack: a client that names its own country, in a header that is not configured."""
    assert country_of(headers, header) == country


def test_every_rule_that_took_part_is_a_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """What a rule does in production is seen without a query: enforced and observed ones apart."""
    record = DecisionRecord(action="renew")
    record.note_result(
        result(Finding("old-patch", Tier.WARNING), Finding("boot-key-listed", Tier.WARNING, None, enforced=False))
    )
    log_decision(record, outcome="accepted", reason="accepted")
    lines = metrics(capsys)
    assert [(line["rule"], next(name for name in line if name.startswith("Rule"))) for line in lines] == [
        ("old-patch", "RuleMatched"),
        ("boot-key-listed", "RuleObserved"),
    ]
    (directive,) = lines[0]["_aws"]["CloudWatchMetrics"]
    assert {"rule", "stack"} <= set(directive["Dimensions"][0])


def test_names_of_rule_metrics_are_few(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a policy, or a text in it, that makes a metric of its own out of every decision."""
    monkeypatch.setattr(telemetry, "_counted_rules", set())
    for number in range(0, 1000, 10):
        record = DecisionRecord(action="renew")
        record.note_result(result(*(Finding(f"rule-{number + i}", Tier.WARNING) for i in range(10))))
        log_decision(record, outcome="accepted", reason="accepted")
    record.note_result(result(Finding("Of An App's Choice \n", Tier.WARNING)))
    log_decision(record, outcome="accepted", reason="accepted")
    record.note_result(result(*(Finding("rule-1", Tier.WARNING) for _ in range(500))))
    log_decision(record, outcome="accepted", reason="accepted")
    matched = Counter[str]()
    for line in metrics(capsys):
        matched[line["rule"]] += line["RuleMatched"]
    assert len(matched) == 201
    assert matched["other"] == 1000 - 200 + 1
    assert matched["rule-1"] == 21
