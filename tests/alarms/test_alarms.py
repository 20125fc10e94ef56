"""Every alarm rings for what it is for, not for a little less, and never on a quiet day."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from tests.alarms.__main__ import main
from tests.alarms.evaluator import Alarm, Metrics
from tests.alarms.real_lines import PRODUCERS, real_value
from tests.alarms.scenes import DAY, DEPLOYED, HOUR, MINUTE, Flow, Scene, first_deploy, idle, scenes
from tests.alarms.templates import ROOT, alarms, created_after, dashboard_metrics, main_template, monitoring

ALARMS: Final = alarms()
NAMES: Final = sorted(ALARMS)
WAITING: Final = {"TrustBundleAlarm": "FirstSigningKey", "EndorsementsAlarm": "FirstEndorsements"}
"""Alarms that ring without data, and what has given them some when they are made."""

OF_AWS: Final = {
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"},
    "AWS/Lambda": {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "AsyncEventAge"},
    "AWS/DynamoDB": {"ReadThrottleEvents", "WriteThrottleEvents"},
    "AWS/Firehose": {"DeliveryToS3.DataFreshness"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
}
"""Metrics as the services' documentation names them."""
DIMENSIONS: Final = {
    "AWS/ApiGateway": {"ApiName", "Stage"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/DynamoDB": {"TableName"},
    "AWS/Firehose": {"DeliveryStreamName"},
    "AWS/SQS": {"QueueName"},
}


def rings(alarm: Alarm, scene: Scene, flow: Flow) -> bool:
    return bool(alarm.run(Metrics.of(flow), scene.begin, scene.until))


def test_every_alarm_has_a_scene_and_every_scene_an_alarm() -> None:
    """One that was removed, or added without saying what for."""
    assert sorted(scenes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_alarm_rings_when_what_it_watches_breaks(name: str) -> None:
    """Just enough of it."""
    for number, flow in enumerate(scenes()[name].rings):
        assert rings(ALARMS[name], scenes()[name], flow), f"case {number}"


@pytest.mark.parametrize("name", NAMES)
def test_alarm_does_not_ring_for_less(name: str) -> None:
    """The failure: an operator is woken by what mends itself."""
    for number, flow in enumerate([[], *scenes()[name].quiet][name in WAITING :]):
        assert not rings(ALARMS[name], scenes()[name], flow), f"case {number}"


def flawed(properties: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Alarms that differ from this one in one thing that matters."""
    threshold, periods = float(properties["Threshold"]), int(properties["EvaluationPeriods"])
    enough = int(properties.get("DatapointsToAlarm", periods))
    comparison, missing = str(properties["ComparisonOperator"]), properties["TreatMissingData"]
    other = comparison.replace("Greater", "Less") if "Greater" in comparison else comparison.replace("Less", "Greater")
    less = comparison.startswith("Less")
    yield "higher", {"Threshold": threshold + 1 if less else threshold * 4 / 3}
    if not less and ("Metrics" in properties or threshold > 1):  # what is counted is counted as one, or not at all
        yield "lower", {"Threshold": min(threshold * 0.7, threshold - 1)}
    yield "the other way", {"ComparisonOperator": other}
    if "Metrics" not in properties:  # FILL leaves nothing missing
        yield "missing data", {"TreatMissingData": "notBreaching" if missing == "breaching" else "breaching"}
    if enough < periods:
        yield "more periods", {"DatapointsToAlarm": enough + 1}
    if enough > 1 and missing != "breaching":
        yield "fewer periods", {"DatapointsToAlarm": enough - 1}
    if "Metrics" not in properties:
        yield "another metric", {"MetricName": f"{properties['MetricName']}s"}
        yield "a dimension less", {"Dimensions": properties["Dimensions"][1:]}
        return
    for number, query in enumerate(properties["Metrics"]):
        if "MetricStat" in query:
            stat = query["MetricStat"]
            deaf = {**query, "MetricStat": {**stat, "Metric": {**stat["Metric"], "Dimensions": []}}}
            queries = [*properties["Metrics"][:number], deaf, *properties["Metrics"][number + 1 :]]
            yield f"without {query['Id']}", {"Metrics": queries}


@pytest.mark.parametrize("name", NAMES)
def test_alarm_with_a_flaw_is_noticed(name: str) -> None:
    """Scenes lie at the threshold: what is worse by a third rings for not all of them, what is better for too much."""
    alarm, scene = ALARMS[name], scenes()[name]
    nothing: list[Flow] = [] if name in WAITING else [[]]
    for flaw, changes in flawed(alarm.properties):
        other = Alarm(name, {**alarm.properties, **changes})
        deaf = not all(rings(other, scene, flow) for flow in scene.rings)
        loud = any(rings(other, scene, flow) for flow in [*nothing, *scene.quiet])
        assert deaf or loud, flaw


@pytest.mark.parametrize("name", NAMES)
def test_quiet_through_an_idle_day(name: str) -> None:
    """Schedules run, a little late each time, and no app calls."""
    assert ALARMS[name].run(Metrics.of(idle(DAY)), 2 * HOUR, DAY) == []


@pytest.mark.parametrize("name", NAMES)
def test_quiet_through_a_first_deployment(name: str) -> None:
    """From the minute in which it is made. Those that ring without data are made when there is some."""
    begin = 0.0 if name not in WAITING else DEPLOYED + MINUTE
    assert ALARMS[name].run(Metrics.of(first_deploy()), begin, 6 * HOUR) == []


def test_alarm_that_rings_without_data_is_made_when_there_is_some() -> None:
    """And no other does."""
    breaching = {n for n, alarm in ALARMS.items() if alarm.properties["TreatMissingData"] == "breaching"}
    assert breaching == set(WAITING)
    assert {name: created_after()[name] for name in WAITING} == WAITING


def test_what_alarms_watch_is_real_or_known_to_be_of_aws() -> None:
    """Our own metrics are written by the product; nothing is tried that neither an alarm nor the dashboard shows."""
    watched = {(one["Metric"]["Namespace"], one["Metric"]["MetricName"]) for a in ALARMS.values() for one in a.watched}
    shown = {(metric[0], metric[1]) for metric in dashboard_metrics()}
    assert {name for namespace, name in watched if namespace == "Bonafide"} <= set(PRODUCERS)
    assert {name for namespace, name in watched | shown if namespace == "Bonafide"} == set(PRODUCERS)
    assert watched <= {(namespace, name) for namespace, names in OF_AWS.items() for name in names} | {
        ("Bonafide", name) for name in PRODUCERS
    }


def test_dashboard_shows_metrics_that_there_are() -> None:
    """Each is written by the product, under these dimensions, or is one that AWS documents for them."""
    functions = set(main_template().resources("AWS::Serverless::Function"))
    tables = set(main_template().resources("AWS::DynamoDB::Table"))
    for namespace, name, *told in dashboard_metrics():
        dimensions = dict(zip(told[::2], told[1::2], strict=True))
        if namespace == "Bonafide":
            assert frozenset(dimensions.items()) == real_value(name).dimensions
        else:
            assert name in OF_AWS[namespace]
            assert set(dimensions) == DIMENSIONS[namespace]
            assert dimensions.get("FunctionName", "x") in functions | {"x"}
            assert dimensions.get("TableName", "x") in tables | {"x"}


def test_dashboard_shows_every_alarm_of_its_stack_and_no_panel_over_another() -> None:
    """In JSON, as CloudWatch reads it."""
    widgets = json.loads(monitoring().properties("Dashboard")["DashboardBody"])["widgets"]
    shown = {arn for widget in widgets if widget["type"] == "alarm" for arn in widget["properties"]["alarms"]}
    parts = monitoring().resources("AWS::CloudWatch::Alarm")
    assert shown == {f"arn:{name}" for name, one in parts.items() if "Condition" not in one}
    cells = [
        (widget["x"] + x, widget["y"] + y)
        for widget in widgets
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_scenes_mark_what_is_synthetic() -> None:
    """What no line of ours says is made up, and says so."""
    values = [value for scene in scenes().values() for flow in [*scene.rings, *scene.quiet] for value in flow]
    assert {value.namespace == "Bonafide" for value in values if not value.synthetic} == {True}
    assert {value.namespace == "Bonafide" for value in values if value.synthetic} == {False}


def test_alarm_and_page_name_each_other() -> None:
    """An alarm whose page is missing calls an operator who does not know what to do; a page without alarm is stale."""
    linked = {}
    for name, alarm in ALARMS.items():
        told = re.search(r"See (docs/runbooks/[a-z-]+\.md)(?:#([a-z-]+))?\.$", alarm.properties["AlarmDescription"])
        assert told, name
        linked[name] = (told[1], told[2])
    sections = {
        (f"docs/runbooks/{page.name}", heading.lower().replace(",", "").replace(" ", "-")): heading
        for page in (ROOT / "docs/runbooks").glob("*.md")
        for heading in re.findall(r"^## ([A-Za-z, ]*Alarm)$", page.read_text("utf-8"), re.MULTILINE)
    }
    named = {alarm for heading in sections.values() for alarm in heading.split(", ")}
    whole_pages = {name for name, (_, anchor) in linked.items() if anchor is None}
    assert named | whole_pages == set(ALARMS)
    for name, (page, anchor) in linked.items():
        assert anchor is None or (page, anchor) in sections, f"{name}: {page}#{anchor}"
        assert name in (ROOT / page).read_text("utf-8"), f"{page} does not say that it is about {name}"


def test_each_page_says_what_to_look_at_what_to_do_and_when_it_is_over() -> None:
    """For each alarm; a section may say it for several."""
    text = (ROOT / "docs/runbooks/alarms.md").read_text("utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading = section.partition("\n")[0]
        if heading.endswith("Alarm"):
            for word in ("**Look at**", "**Do.**", "**Over**"):
                assert word in section or "[as above]" in section, f"{heading}: {word}"
            assert "**Over**" in section, heading


def test_table_is_printed_and_costs_what_the_runbook_says(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.alarms` ends with 0, and with 1 when something is wrong."""
    assert main() == 0
    told = capsys.readouterr().out
    assert all(name in told for name in NAMES)
    (sum_of,) = re.findall(r"\$(\d+\.\d\d) a month", told)
    page = (ROOT / "docs/runbooks/alarms.md").read_text("utf-8")
    assert f"${sum_of} a month" in page
