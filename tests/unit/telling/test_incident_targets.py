"""examples/incident-targets: PagerDuty and Slack get JSON of their documented shape, whatever an incident says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from service.telling.incident_event import Change, event_of

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT
from tests.service_stack.told_incidents import AT, incident

RESOURCES = read_template(ROOT / "examples/incident-targets/template.yaml")["Resources"]
HOSTILE = {
    "plain": incident(),
    "quotes": incident(
        title='Much of "}, {" and \\ and \\u0022.',
        named={"model": 'x", "routing_key": "y', "build": "<summary>"},
        because=['a "quoted" sentence\nin two lines', "<!channel> *bold*"],
        remedy={"kind": "look", "text": 'Say "hello" \\'},
    ),
    "long": incident(title="x" * 5000, because=["y" * 5000] * 9, named={f"n{i}": "ü" * 200 for i in range(20)}),
    "all apps": incident(app="", detector="vendor-trouble"),
    "no remedy": incident(remedy={"kind": "look", "text": "", "rule": "", "command": ""}),
}


def transformed(rule: str, event: Mapping[str, Any]) -> Any:
    """What the target of a rule gets, as EventBridge makes it: a text stands between the template's own quotes, an
    object or a list as JSON."""
    (target,) = RESOURCES[rule]["Properties"]["Targets"]
    transformer = target["InputTransformer"]
    values = {}
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for step in path.removeprefix("$.").split("."):
            value = value[step]
        values[name] = value if isinstance(value, str) else json.dumps(value)
    text = re.sub(r"<([a-z]+)>", lambda match: values[match[1]], transformer["InputTemplate"])
    assert set(re.findall(r"<([a-z]+)>", transformer["InputTemplate"])) == set(values)
    return json.loads(text)


def matches(rule: str, event: Mapping[str, Any]) -> bool:
    """Whether the rule's pattern takes the event."""

    def fits(pattern: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
        return all(
            fits(wanted, value[name]) if isinstance(wanted, Mapping) else value[name] in wanted
            for name, wanted in pattern.items()
        )

    text = json.dumps(RESOURCES[rule]["Properties"]["EventPattern"]).replace('{"Ref": "StackName"}', '"prod"')
    return fits(json.loads(text), event)


def event(change: Change, shown: Mapping[str, Any]) -> dict[str, Any]:
    told = event_of(change, shown, stack="prod", at=AT, name="x")
    return {"source": "bonafide", "detail-type": "Bonafide Incident", "detail": json.loads(told.text)}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("change", Change)
def test_pagerduty_gets_an_event_of_its_api(name: str, change: Change) -> None:
    """Events API v2: an alert is triggered and resolved under one key; the summary has at most 1,024 characters."""
    told = event(change, HOSTILE[name])
    opens = change in (Change.OPENED, Change.GREW)
    assert matches("PagerDutyOpens", told) is (opens and told["detail"]["data"]["severity"] in ("error", "critical"))
    assert matches("PagerDutyResolves", told) is not opens
    body = transformed("PagerDutyOpens" if opens else "PagerDutyResolves", told)
    shown = told["detail"]["data"]["incident"]
    assert body["dedup_key"] == f"prod/{shown['id']}/{shown['opened_at']}"
    assert len(body["dedup_key"]) <= 255
    assert body["event_action"] == ("trigger" if opens else "resolve")
    if opens:
        payload = body["payload"]
        assert payload["severity"] in ("critical", "error", "warning", "info")
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["source"] == "prod"
        assert payload["custom_details"]["because"] == shown["because"]
        assert "routing_key" not in body  # EventBridge adds it from the connection


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("change", Change)
def test_slack_gets_a_message_of_its_api(name: str, change: Change) -> None:
    """Blocks of plain text, each within 3,000 characters: nothing in them is a mention or a link."""
    told = event(change, HOSTILE[name])
    assert matches("SlackTold", told)
    body = transformed("SlackTold", told)
    assert body["text"].endswith(told["detail"]["data"]["summary"])
    assert "<" not in body["text"]
    for block in body["blocks"]:
        for text in (block.get("text"), *block.get("elements", ())):
            if text is not None:
                assert text["type"] == "plain_text"
                assert 0 < len(text["text"]) <= 3000
