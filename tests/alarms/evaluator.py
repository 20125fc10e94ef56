"""Alarms as CloudWatch judges them, by its documentation ("Using Amazon CloudWatch alarms", with missing data).

- A metric is its namespace, its name and all of its dimensions; with a unit, only values of that unit. Each period of
  the alarm has a data point: a statistic of the values in it, or none where there are none.
- The alarm looks at the periods that end now, each minute. It fetches some more than it needs. Where that many have
  data, the latest of these are judged, and what is missing between them does not count. Where fewer have, what is
  missing among the latest is filled in as `TreatMissingData` says, no more than are needed.
- In M of these N, the comparison must hold. With all missing, `missing` ends in INSUFFICIENT_DATA, and `ignore` keeps
  the state. With those two, an alarm also rings for a breaching data point that is M periods old, if what follows it is
  breaching or missing.
- A percentile of few values (10 / (1 - p)) is no data point where the alarm says `ignore`: it keeps its state.

How many periods more are fetched is not documented; the examples there have two. CloudWatch does not say how it reckons
percentiles either: here, the nearest rank.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.alarms.expressions import Series, UnknownExpression, evaluate
from tests.alarms.log_lines import Value

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
FETCHED_BEYOND: Final = 2
MOST_METRICS: Final = 10
"""What an alarm's expression may look at."""
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Metrics:
    """Values by metric."""

    values: Mapping[tuple[str, str, frozenset[tuple[str, str]]], Sequence[Value]]

    @classmethod
    def of(cls, values: Iterable[Value]) -> Metrics:
        """All of these values."""
        found: defaultdict[tuple[str, str, frozenset[tuple[str, str]]], list[Value]] = defaultdict(list)
        for value in sorted(values, key=lambda one: one.at):
            found[value.namespace, value.name, value.dimensions].append(value)
        return cls(found)

    def knows(self, metric: Mapping[str, Any]) -> bool:
        """Whether there is any value of it."""
        return (metric["Namespace"], metric["MetricName"], dimensions_of(metric)) in self.values

    def series(
        self, metric: Mapping[str, Any], statistic: str, unit: str | None, period: int, times: Sequence[float]
    ) -> tuple[Series, set[float]]:
        """Data points of the periods that begin at these times, and at which of them there are few values."""
        key = (metric["Namespace"], metric["MetricName"], dimensions_of(metric))
        known = self.values.get(key, ())
        points, few = {}, set()
        for begin in times:
            first, last = (bisect_left(known, at, key=lambda one: one.at) for at in (begin, begin + period))
            values = [(one.value, one.count) for one in known[first:last] if unit is None or one.unit == unit]
            if values:
                points[begin] = _statistic(statistic, values)
                if sum(count for _, count in values) < _enough(statistic):
                    few.add(begin)
        return points, few


def dimensions_of(metric: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Dimensions as a set: their order says nothing."""
    return frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", ()))


def _statistic(name: str, values: Sequence[tuple[float, int]]) -> float:
    total = sum(count for _, count in values)
    match name:
        case "Sum":
            return sum(value * count for value, count in values)
        case "Maximum":
            return max(values)[0]
        case "Minimum":
            return min(values)[0]
        case "Average":
            return sum(value * count for value, count in values) / total
        case "SampleCount":
            return total
    rank = math.ceil(float(name.removeprefix("p")) / 100 * total)
    for value, count in sorted(values):
        rank -= count
        if rank <= 0:
            return value
    raise UnknownExpression(f"{name} is no statistic")


def _enough(statistic: str) -> float:
    """How many values a statistic needs to be worth something."""
    if not statistic.startswith("p"):
        return 0
    part = float(statistic[1:]) / 100
    return round(10 / (1 - part) if part >= 0.5 else 10 / part, 6)


@dataclass(slots=True)
class Alarm:
    """One alarm: its name, its properties with every function of the template worked out, and its state."""

    name: str
    properties: Mapping[str, Any]
    state: str = INSUFFICIENT
    rang: list[float] = field(default_factory=list)

    @property
    def watched(self) -> list[Mapping[str, Any]]:
        """The metrics that it looks at, each as MetricStat has it."""
        queries = self.properties.get("Metrics")
        if queries is None:
            statistic = self.properties.get("ExtendedStatistic") or self.properties["Statistic"]
            return [{"Metric": self.properties, "Period": self.properties["Period"], "Stat": statistic}]
        return [query["MetricStat"] for query in queries if "MetricStat" in query]

    @property
    def period(self) -> int:
        """Seconds. All metrics of an alarm have the same period."""
        (period,) = {int(one["Period"]) for one in self.watched}
        return period

    def run(self, metrics: Metrics, begin: float, end: float) -> list[float]:
        """Judge each minute from ``begin`` to ``end``; the times at which it began to ring."""
        self.state, self.rang = INSUFFICIENT, []
        minutes = range(math.ceil(begin / _MINUTE) * _MINUTE, int(end) + 1, _MINUTE)
        if not any(metrics.knows(one["Metric"]) for one in self.watched):
            minutes = minutes[:2]  # every further minute is like them
        for now in minutes:
            state = self.judged(metrics, now)
            if state == ALARM != self.state:
                self.rang.append(now)
            self.state = state
        return self.rang

    def judged(self, metrics: Metrics, now: float) -> str:
        """The state at a time."""
        needed = int(self.properties["EvaluationPeriods"])
        times = [now - self.period * back for back in range(needed + FETCHED_BEYOND, 0, -1)]
        points, few = self._points(metrics, times)
        if few & set(times[-needed:]) and self.properties.get("EvaluateLowSampleCountPercentile") == "ignore":
            return self.state
        return state_of(
            [None if (value := points.get(at)) is None else self._breaches(value) for at in times],
            needed=needed,
            enough=int(self.properties.get("DatapointsToAlarm", needed)),
            missing=self.properties.get("TreatMissingData", "missing"),
            before=self.state,
        )

    def _points(self, metrics: Metrics, times: Sequence[float]) -> tuple[Series, set[float]]:
        queries = self.properties.get("Metrics")
        if queries is None:
            (one,) = self.watched
            return metrics.series(one["Metric"], one["Stat"], self.properties.get("Unit"), self.period, times)
        if len(self.watched) > MOST_METRICS:
            raise UnknownExpression(f"{self.name} looks at more than {MOST_METRICS} metrics")
        (expression,) = [query for query in queries if "Expression" in query]
        if expression.get("ReturnData", True) is not True:
            raise UnknownExpression(f"{self.name} returns nothing")
        series = {}
        for query in queries:
            if "MetricStat" in query:
                if query.get("ReturnData", True) is not False:
                    raise UnknownExpression(f"{self.name} returns more than one series")
                stat = query["MetricStat"]
                found, _ = metrics.series(stat["Metric"], stat["Stat"], stat.get("Unit"), self.period, times)
                series[query["Id"]] = found
        return evaluate(expression["Expression"], series, times), set()

    def _breaches(self, value: float) -> bool:
        return _COMPARISONS[self.properties["ComparisonOperator"]](value, float(self.properties["Threshold"]))


def state_of(points: Sequence[bool | None], *, needed: int, enough: int, missing: str, before: str) -> str:
    """The state that data points make, oldest first: whether each breaches, ``None`` for one that is missing."""
    real = [point for point in points if point is not None]
    if len(real) >= needed:
        judged = real[-needed:]
    elif missing in ("breaching", "notBreaching"):
        judged = [*real, *([missing == "breaching"] * (needed - len(real)))]
    elif not real:
        return INSUFFICIENT if missing == "missing" else before
    else:
        oldest = next(index for index, point in enumerate(points) if point is not None)
        since = points[oldest:]
        if all(point is not False for point in since) and len(since) >= enough:
            return ALARM if missing == "missing" else before
        judged = real
    return ALARM if sum(judged) >= enough else OK
