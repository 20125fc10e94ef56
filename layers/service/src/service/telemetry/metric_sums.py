"""Metrics of decisions, summed in the process and written with its tally lines: none of them is a line a request.

CloudWatch's embedded metric format, as in :mod:`service.telemetry.metrics`. What must reach an alarm whatever becomes
of the process is not summed: faults and failures are a line each.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from service.telemetry.metrics import METRIC_NAMESPACE, kept_fields, stack_name

_MAX_TIMES: Final = 20
"""Times of one metric in one line: the last ones."""
Rule = tuple[str, str]
"""A metric's name and the policy rule that is its dimension."""


class MetricSums:
    """What is to be written. Names are the code's own and few; rules are bounded by who counts them."""

    def __init__(self) -> None:
        self._counts = Counter[str]()
        self._rules = Counter[Rule]()
        self._times: dict[str, list[float]] = {}
        self._ages: dict[str, float] = {}

    def count(self, name: str, times: int = 1) -> None:
        """Add to a metric with the dimensions ``stack`` and ``service``."""
        self._counts[name] += times

    def highest(self, name: str, seconds: float) -> None:
        """Note an age; the highest is written."""
        self._ages[name] = round(max(seconds, self._ages.get(name, 0.0)), 1)

    def count_rule(self, name: str, rule: str) -> None:
        """Add one to a metric that has the dimension ``rule``, too."""
        self._rules[name, rule] += 1

    def took(self, name: str, seconds: float) -> None:
        """Note a time; it is written in milliseconds."""
        times = self._times.setdefault(name, [])
        times.append(round(seconds * 1000, 2))
        del times[:-_MAX_TIMES]

    def write(self, write: Callable[[str], None]) -> None:
        """Write what came together: a line for all, and one for each rule."""
        counts, rules, times, ages = self._counts, self._rules, self._times, self._ages
        self._counts, self._rules, self._times, self._ages = Counter(), Counter(), {}, {}
        if counts or times or ages:
            units = {
                **dict.fromkeys(counts, "Count"),
                **dict.fromkeys(times, "Milliseconds"),
                **dict.fromkeys(ages, "Seconds"),
            }
            write(_line({}, units, {**counts, **times, **ages}))
        for (name, rule), matched in rules.items():
            write(_line({"rule": rule}, {name: "Count"}, {name: matched}))


def _line(more: Mapping[str, str], units: Mapping[str, str], values: Mapping[str, object]) -> str:
    dimensions = {"stack": stack_name(), "service": os.environ.get("POWERTOOLS_SERVICE_NAME") or "bonafide", **more}
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    directive = {"Namespace": METRIC_NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": about, **dimensions, **values, **kept_fields()}, separators=(",", ":"))
