"""Alarms, written into the templates from one table.

`python packaging/alarms.py` rewrites those of template.yaml between their two markers; a test compares. Thresholds and
periods are here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = "docs/runbooks/alarms.md"
_OWN: Final = {"stack": "!Ref {stack}", "service": "bonafide"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its dimensions' values are YAML. ``unit`` is for metrics that come with one."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm: it rings when, in ``datapoints`` of the last ``periods`` (of ``period`` seconds), what is watched is at
    the threshold or over it.

    ``watched`` is one metric, or several by the names that ``expression`` calls them. Without data nothing is wrong.
    ``condition`` is one of the template. ``few`` says what a percentile of few values is worth: nothing (``ignore``).
    """

    name: str
    says: str
    watched: Metric | Mapping[str, Metric]
    expression: str = ""
    threshold: float
    period: int = 300
    periods: int = 1
    datapoints: int = 1
    condition: str = ""
    few: bool = False

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics that it looks at."""
        return {"m": self.watched} if isinstance(self.watched, Metric) else self.watched


def own(name: str, *, unit: str = "Count", statistic: str = "Sum") -> Metric:
    """A metric of our own, from a line of a log."""
    return Metric("Bonafide", name, _OWN, statistic, unit)


def of_route(metric: str, method: str, path: str, statistic: str = "Sum") -> Metric:
    """A metric of API Gateway for one route of the verifier API."""
    return Metric("AWS/ApiGateway", metric, {**_API, "Resource": f'"{path}"', "Method": method}, statistic)


def of_function(metric: str, function: str, statistic: str = "Sum") -> Metric:
    """A metric of Lambda for a function, all its versions together."""
    return Metric("AWS/Lambda", metric, {"FunctionName": f"!Ref {function}Function"}, statistic)


_API: Final = {"ApiName": '!Sub "${{{stack}}}-verifier"', "Stage": "!Ref Stage"}
_ROUTES: Final = (
    ("AppraiseEvidence", "Enrolments", "POST", "/v1/attestations"),
    ("RenewToken", "Renewals", "POST", "/v1/tokens"),
    ("ReportSignal", "Reports of threats", "POST", "/v1/signals"),
    ("IssueChallenge", "Requests for challenges", "POST", "/v1/challenges"),
    ("ServePolicy", "Requests for the trust bundle", "GET", "/v1/trust-bundle"),
)

STOPPING: Final = (
    *(
        Alarm(
            name=f"{function}FailingAlarm",
            says=f"{what} are answered 5xx.",
            watched=of_route("5XXError", method, path),
            threshold=5,
            period=60,
            periods=3,
            datapoints=2,
        )
        for function, what, method, path in _ROUTES
    ),
    Alarm(
        name="AuthorizerFaultAlarm",
        says="The authorizer refuses requests that may be good ones.",
        watched=own("AuthorizerFault"),
        threshold=5,
        period=60,
        periods=3,
        datapoints=2,
    ),
    Alarm(
        name="AuthorizerErrorAlarm",
        says="The authorizer crashes or runs out of time.",
        watched=of_function("Errors", "AuthorizeRequest"),
        threshold=5,
        period=60,
        periods=3,
        datapoints=2,
    ),
)
"""In template.yaml: what can stop a deployment as well."""


def _lines(alarm: Alarm, stack: str) -> Iterator[str]:
    yield f"{alarm.name}:"
    yield "  Type: AWS::CloudWatch::Alarm"
    if alarm.condition:
        yield f"  Condition: {alarm.condition}"
    yield "  Properties:"
    yield "    AlarmDescription: !Sub >-"
    yield f"      ${{{stack}}}: {alarm.says} See {PAGE}#{alarm.name.lower()}."
    if isinstance(alarm.watched, Metric):
        yield from (f"    {line}" for line in _metric(alarm.watched, stack))
        kind = "ExtendedStatistic" if alarm.watched.statistic.startswith("p") else "Statistic"
        yield f"    {kind}: {alarm.watched.statistic}"
        if alarm.watched.unit:
            yield f"    Unit: {alarm.watched.unit}"
        yield f"    Period: {alarm.period}"
    else:
        yield "    Metrics:"
        yield f'      - {{ Id: rings, Expression: "{alarm.expression}", Label: {alarm.name} }}'
        for name, metric in alarm.watched.items():
            yield f"      - Id: {name}"
            yield "        ReturnData: false"
            yield "        MetricStat:"
            yield "          Metric:"
            yield from (f"            {line}" for line in _metric(metric, stack))
            yield f"          Period: {alarm.period}"
            yield f"          Stat: {metric.statistic}"
    yield f"    EvaluationPeriods: {alarm.periods}"
    if alarm.periods > 1:
        yield f"    DatapointsToAlarm: {alarm.datapoints}"
    yield f"    Threshold: {alarm.threshold:g}"
    yield "    ComparisonOperator: GreaterThanOrEqualToThreshold"
    yield "    TreatMissingData: notBreaching"
    if alarm.few:
        yield "    EvaluateLowSampleCountPercentile: ignore"
    for kind in ("AlarmActions", "OKActions"):
        yield f"    {kind}: !If [AlarmsAreSent, [!Ref AlarmTopicArn], !Ref AWS::NoValue]"


def _metric(metric: Metric, stack: str) -> Iterator[str]:
    yield f"Namespace: {metric.namespace}"
    yield f"MetricName: {metric.name}"
    yield "Dimensions:"
    for name, value in metric.dimensions.items():
        yield f"  - {{ Name: {name}, Value: {value.format(stack=stack)} }}"


BEGIN: Final = "# Generated: alarms that can stop a deployment"
END: Final = "# End of the generated alarms"


def with_alarms(text: str) -> str:
    """template.yaml's text with its alarms as they should be.

    Raises:
        ValueError: when the two markers are not there exactly once, in this order.
    """
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(BEGIN) > text.index(END):
        raise ValueError(f"template.yaml needs the lines '{BEGIN}' and '{END}', once each")
    head, rest = text.split(BEGIN)
    told, _, rest = rest.partition("\n")
    _, tail = rest.split(END)
    alarms = "\n".join(_written(alarm, "AWS::StackName") for alarm in STOPPING)
    return f"{head}{BEGIN}{told}\n{alarms}\n  {END}{tail}"


def _written(alarm: Alarm, stack: str) -> str:
    return "".join(f"  {line}\n" for line in _lines(alarm, stack))


def main() -> None:
    """Rewrite them."""
    path = ROOT / "template.yaml"
    path.write_text(with_alarms(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
