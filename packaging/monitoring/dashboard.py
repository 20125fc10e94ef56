"""The dashboard: what an operator looks at first, from the metrics that alarms watch, and those of the counts
(docs/threat-view.md). packaging/monitoring/alarms.py writes it into stacks/monitoring.yaml, and for Grafana into
packaging/monitoring/grafana.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from alarm_table import FUNCTIONS, READ, WRITTEN

_OWN: Final = ("stack", "${StackName}", "service", "bonafide")
_API: Final = ("ApiName", "${StackName}-verifier", "Stage", "${Stage}")
_COLUMNS, _WIDTH, _HEIGHT = 3, 8, 6


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: metrics as CloudWatch's dashboards name them, of one statistic."""

    title: str
    metrics: Sequence[Sequence[str]]
    statistic: str = "Sum"


def _ours(*names: str) -> list[tuple[str, ...]]:
    return [("Bonafide", name, *_OWN) for name in names]


def _of_functions(metric: str) -> list[tuple[str, ...]]:
    return [("AWS/Lambda", metric, "FunctionName", f"${{{name}Function}}") for name in FUNCTIONS]


def _of_tables(metric: str, tables: Sequence[str]) -> list[tuple[str, ...]]:
    return [("AWS/DynamoDB", metric, "TableName", f"${{{name}Table}}") for name in tables]


PANELS: Final = (
    Panel("Enrolments", _ours("EnrolAccepted", "EnrolRefused", "EnrolUnavailable")),
    Panel("Renewals", _ours("RenewAccepted", "RenewRefused", "RenewUnavailable")),
    Panel("Gate, decisions", _ours("GateAccepted", "GateRefused", "GateUnavailable")),
    Panel(
        "Gate, requests by class",
        _ours(
            *("GateVerified", "GateNoToken", "GateExpired", "GateInvalid", "GateReplayed", "GateRevoked"),
            *("GateWrongAudience", "GateUnchecked"),
        ),
    ),
    Panel("Challenges, and failures that apps report", _ours("ChallengesIssued", "FailuresReported")),
    Panel("Age of the gate's trust bundle", _ours("GateBundleAge"), "Maximum"),
    Panel("Processor time of own code, 99th percentile", _ours("EnrolOwnTime", "RenewOwnTime"), "p99"),
    Panel(
        "Counting: how late, and what waits",
        [
            *_ours("TallyDelay"),
            ("AWS/Lambda", "AsyncEventAge", "FunctionName", "${CountDecisionsFunction}"),
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${UncountedQueue}"),
        ],
        "Maximum",
    ),
    Panel(
        "Detection", _ours("DetectorFailed", "IncidentNotTold", "IncidentLeftOut", "IncidentsUnread", "SightingUnread")
    ),
    Panel("Our faults", _ours("UnexpectedError", "Unavailable", "PolicyUnreadable", "AuthorizerFault", "KeyUnusable")),
    Panel("Verifier API", [("AWS/ApiGateway", name, *_API) for name in ("Count", "4XXError", "5XXError")]),
    Panel("Verifier API, 99th percentile of time", [("AWS/ApiGateway", "Latency", *_API)], "p99"),
    Panel("Functions, 99th percentile of own time", _of_functions("Duration"), "p99"),
    Panel("Functions, errors", _of_functions("Errors")),
    Panel("Functions, turned away", _of_functions("Throttles")),
    Panel("Functions, at once", _of_functions("ConcurrentExecutions"), "Maximum"),
    Panel(
        "Blocks and bundles",
        _ours(
            *("TrustBundlePublished", "BundleNotRefreshed", "BlockLost", "BlocksNotListed"),
            *("PublicationNotAsked", "PublicationFailed"),
        ),
    ),
    Panel("How late keys, and how old Google's list", _ours("SigningKeyOverdue", "EndorsementsAge"), "Maximum"),
    Panel("Play Integrity and the Admin API", _ours("PlayQuotaSpent", "AdminNotSigned")),
    Panel("Tables, reads turned away", _of_tables("ReadThrottleEvents", READ)),
    Panel("Tables, writes turned away", _of_tables("WriteThrottleEvents", WRITTEN)),
    Panel(
        "Archive, age of the oldest decision",
        [("AWS/Firehose", "DeliveryToS3.DataFreshness", "DeliveryStreamName", "${DecisionStream}")],
        "Maximum",
    ),
)


def dashboard_lines(alarms: Sequence[str]) -> Iterator[str]:
    """The resource, as YAML. ``alarms`` are those of the same stack, by logical id, shown on top."""
    yield "Dashboard:"
    yield "  Type: AWS::CloudWatch::Dashboard"
    yield "  Properties:"
    yield "    DashboardBody: !Sub |"
    yield '      {"widgets": ['
    yield '        {"type": "alarm", "x": 0, "y": 0, "width": 24, "height": 4, "properties": {'
    yield '          "title": "Alarms", "alarms": ['
    yield ",\n".join(f'            "${{{name}.Arn}}"' for name in alarms)
    yield "          ]}},"
    for number, panel in enumerate(PANELS):
        row, column = divmod(number, _COLUMNS)
        place = f'"x": {column * _WIDTH}, "y": {4 + row * _HEIGHT}, "width": {_WIDTH}, "height": {_HEIGHT}'
        yield f'        {{"type": "metric", {place}, "properties": {{'
        yield f'          "title": "{panel.title}", "stat": "{panel.statistic}", "period": 300,'
        yield '          "region": "${AWS::Region}",'
        yield '          "metrics": ['
        yield ",\n".join(f"            {json.dumps(list(metric))}" for metric in panel.metrics)
        yield "          ]}}" + ("," if number + 1 < len(PANELS) else "")
    yield "      ]}"


_SEARCHED: Final = {
    "FunctionName": "Lambda",
    "TableName": "DynamoDB",
    "QueueName": "SQS",
    "DeliveryStreamName": "Firehose",
}
"""Dimensions whose values CloudFormation makes up, beginning with stack and logical id: found by a search."""


def grafana() -> str:
    """The same panels for Grafana and its CloudWatch data source, as JSON to import. It asks for data source, region,
    stack and stage."""
    variables = [
        {"name": "datasource", "type": "datasource", "query": "cloudwatch", "label": "Data source"},
        {"name": "region", "type": "textbox", "query": "default", "label": "Region"},
        {"name": "stack", "type": "textbox", "query": "bonafide-prod", "label": "Stack"},
        {"name": "stage", "type": "textbox", "query": "prod", "label": "Stage"},
    ]
    board = {
        "uid": "bonafide",
        "title": "Bonafide",
        "tags": ["bonafide"],
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "1m",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables},
        "panels": [_grafana_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(board, indent=1) + "\n"


def _grafana_panel(number: int, panel: Panel) -> dict[str, object]:
    row, column = divmod(number, _COLUMNS)
    source = {"type": "cloudwatch", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "targets": [
            {
                "refId": f"m{place}",
                "datasource": source,
                "region": "$region",
                **_target(metric, panel.statistic),
            }
            for place, metric in enumerate(panel.metrics)
        ],
    }


def _target(metric: Sequence[str], statistic: str) -> dict[str, object]:
    namespace, name, *told = metric
    dimensions = dict(zip(told[::2], told[1::2], strict=True))
    for dimension, value in dimensions.items():
        if dimension in _SEARCHED:
            logical_id = value.removeprefix("${").removesuffix("}")
            schema = f"{{AWS/{_SEARCHED[dimension]},{dimension}}}"
            search = f'{schema} MetricName="{name}" {dimension}=($stack AND {logical_id})'
            return {
                "metricQueryType": 0,
                "metricEditorMode": 1,
                "expression": f"SEARCH('{search}', '{statistic}', 300)",
            }
    known = {"${StackName}": "$stack", "${Stage}": "$stage"}
    for placeholder, variable in known.items():
        dimensions = {key: value.replace(placeholder, variable) for key, value in dimensions.items()}
    return {
        "metricQueryType": 0,
        "metricEditorMode": 0,
        "namespace": namespace,
        "metricName": name,
        "dimensions": dimensions,
        "matchExact": True,
        "statistic": statistic,
        "period": "300",
    }
