"""What becomes of a function's lines: which ones Lambda keeps at a log level, and their metrics.

By AWS's documentation, in our words. *Lambda, log-level filtering*: a line of JSON is judged by its `level`; one
without a level that Lambda knows, or without a `timestamp` of RFC 3339, counts as INFO. *CloudWatch, embedded metric
format*: `_aws.Timestamp` in milliseconds; each directive of `_aws.CloudWatchMetrics` has a namespace, sets of
dimensions whose values are texts at the root of the line, and metrics whose values are numbers there, up to 100 each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_MOST_VALUES: Final = 100
_MOST_DIMENSIONS: Final = 30


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a metric, at a time in Unix seconds, ``count`` times. ``synthetic`` says that no line of ours is
    behind it: it is what AWS's own service would report."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    at: float
    value: float
    unit: str = "None"
    count: int = 1
    synthetic: bool = False


def level_of(line: dict[str, Any]) -> str:
    """The level by which Lambda judges a line."""
    level, moment = str(line.get("level", "")).upper(), line.get("timestamp")
    dated = isinstance(moment, str) and _RFC_3339.match(moment) is not None
    return level if level in LEVELS and dated else "INFO"


def kept(lines: Iterable[dict[str, Any]], log_level: str) -> list[dict[str, Any]]:
    """The lines that reach the log group of a function with this ApplicationLogLevel."""
    return [line for line in lines if LEVELS.index(level_of(line)) >= LEVELS.index(log_level)]


def metrics_of(line: dict[str, Any]) -> Iterator[Value]:
    """The values that CloudWatch reads off one line.

    Raises:
        ValueError: for a line that says it has metrics and breaks the format: CloudWatch would drop it.
    """
    about = line.get("_aws")
    if about is None:
        return
    if type(about.get("Timestamp")) is not int:
        raise ValueError("no Timestamp in milliseconds")
    for directive in about["CloudWatchMetrics"]:
        if not directive["Metrics"]:
            raise ValueError("no metric")
        for names in directive["Dimensions"]:
            if len(names) > _MOST_DIMENSIONS or not all(isinstance(line.get(n), str) and line[n] for n in names):
                raise ValueError(f"dimensions {names} are not texts of the line")
            dimensions = frozenset((name, line[name]) for name in names)
            for metric in directive["Metrics"]:
                for value in _numbers(line.get(metric["Name"])):
                    yield Value(
                        directive["Namespace"],
                        metric["Name"],
                        dimensions,
                        about["Timestamp"] / 1000,
                        value,
                        metric.get("Unit", "None"),
                    )


def _numbers(value: object) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MOST_VALUES:
        raise ValueError("no values, or too many")
    numbers = [float(one) for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != len(values):
        raise ValueError("a value is no number")
    return numbers


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of JSON in what a function wrote."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
