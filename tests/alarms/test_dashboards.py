"""Grafana shows what CloudWatch's dashboard shows, and the documented queries ask for what lines really have."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from decision_log import log_fault
from service.telemetry.decisions import logger

from bonafide.operator.layout import Layout
from tests.alarms.log_lines import lines_of
from tests.alarms.real_lines import PRODUCERS, real_value
from tests.alarms.templates import dashboard_metrics, main_template
from tests.service_stack.memory_stack import MemoryStack
from tests.unit.gate.stand import Call, Stand

ROOT = Layout.of_this_project().root
GRAFANA = json.loads((ROOT / "packaging/monitoring/grafana.json").read_text("utf-8"))
PAGE = (ROOT / "docs/threat-view.md").read_text("utf-8")
QUERIES = re.findall(r"^```text\n((?:fields|filter|stats) .*?)\n```$", PAGE, re.M | re.S)
_WORDS = re.compile(
    "fields|filter|stats|sort|limit|by|as|and|or|not|like|in|desc|asc|sum|max|min|avg|count|count_distinct|bin|"
    "coalesce|ispresent|pct|strlen|true|false|[0-9]*[smhd]"
)


def targets() -> list[dict[str, Any]]:
    return [target for panel in GRAFANA["panels"] for target in panel["targets"]]


def searched(target: dict[str, Any]) -> tuple[str, str, str]:
    """Schema, metric and logical id of a search."""
    found = re.fullmatch(
        r"""SEARCH\('\{(AWS/\w+),\w+\} MetricName="([\w.]+)" \w+=\(\$stack AND (\w+)\)', '\w+', 300\)""",
        target["expression"],
    )
    assert found, target
    return found[1], found[2], found[3]


def test_grafana_shows_the_metrics_of_the_dashboard() -> None:
    """All of them, in the same panels and order."""
    shown = [(one["namespace"], one["metricName"]) if "namespace" in one else searched(one)[:2] for one in targets()]
    assert shown == [(namespace, name) for namespace, name, *_ in dashboard_metrics()]


def test_grafana_asks_for_our_metrics_as_they_are_written() -> None:
    for one in targets():
        if one.get("namespace") == "Bonafide":
            dimensions = {name: value.replace("$stack", "stack") for name, value in one["dimensions"].items()}
            assert frozenset(dimensions.items()) == real_value(one["metricName"]).dimensions


def test_grafana_searches_for_resources_that_there_are() -> None:
    """CloudFormation makes up names of the stack's and the logical id."""
    resources = set(main_template().data["Resources"])
    assert {searched(one)[2] for one in targets() if "expression" in one} <= resources


def test_grafana_asks_for_what_differs_between_stacks() -> None:
    text = json.dumps(GRAFANA)
    names = {one["name"] for one in GRAFANA["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)\}?", text)) == names
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in GRAFANA["panels"]]
    assert len(set(places)) == len(places)


@cache
def members() -> frozenset[str]:
    """Names of the members of lines that the product writes, and of the metrics."""
    written = io.StringIO()
    log: Any = logger().registered_handler
    with redirect_stdout(written), patch.object(log, "stream", written):
        stand, stack = Stand(), MemoryStack()
        for _ in range(70):
            stand.answer(Call(token=None).event())
        stand.answer(Call().event())
        data = stack.installation().client_data(stack.challenge(), signals=("odd",))
        stack.send("POST", "/v1/attestations", stack.installation().attestation_body(data))
        log_fault("unexpected error", ValueError())
    found = set(PRODUCERS) | {"@timestamp", "@message"}
    for line in lines_of(written.getvalue()):
        found |= set(line)
    return frozenset(found)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0][:60])
def test_query_asks_for_members_that_lines_have(query: str) -> None:
    """A name that no line has finds nothing, and nobody is told."""
    named = set(re.findall(r"\bas (\w+)", query))
    bare = re.sub(r'"[^"]*"|/[^/]*/', " ", query)
    words = set(re.findall(r"@?[A-Za-z_]\w*", bare))
    asked = {word for word in words if not _WORDS.fullmatch(word)} - named
    assert asked <= members(), query


def test_queries_are_found() -> None:
    assert len(QUERIES) >= 6
