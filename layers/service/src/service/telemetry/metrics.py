"""Metrics as lines of the log, in CloudWatch's embedded metric format: no call to AWS, and nothing that can fail.

Lambda drops lines below the level of `LogLevel`, and takes a line without a level or without an RFC 3339 timestamp for
one of INFO. What alarms and the archive need must not be dropped, so such a line is of the level that is kept:
INFO, or whatever higher level the function is set to (Lambda's "Setting JSON format log levels").
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit, single_metric

METRIC_NAMESPACE: Final = "Bonafide"

_LEVELS: Final = {"WARN": "WARN", "WARNING": "WARN", "ERROR": "ERROR", "FATAL": "FATAL", "CRITICAL": "FATAL"}


def kept_level() -> str:
    """The level of a line that is written whatever `LogLevel` says, as Lambda names levels."""
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL") or os.environ.get("POWERTOOLS_LOG_LEVEL") or ""
    return _LEVELS.get(level.upper(), "INFO")


def kept_fields() -> dict[str, str]:
    """Members of such a line: its level, and its time, without which Lambda takes it for one of INFO."""
    return {"level": kept_level(), "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}


def stack_name() -> str:
    """The dimension ``stack`` of every metric."""
    return os.environ.get("STACK_NAME") or "none"


def emit(name: str, unit: MetricUnit, value: float, **dimensions: str) -> None:
    """Write one value of a metric, with the dimensions ``stack``, ``service`` and those given."""
    with single_metric(name=name, unit=unit, value=value, namespace=METRIC_NAMESPACE) as metric:
        for dimension, text in {"stack": stack_name(), **dimensions}.items():
            metric.add_dimension(name=dimension, value=text)
        for member, text in kept_fields().items():
            metric.add_metadata(member, text)
