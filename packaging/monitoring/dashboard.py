"""The dashboard: what an operator looks at first, from the metrics that alarms watch. packaging/monitoring/alarms.py
writes it into stacks/monitoring.yaml."""

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
