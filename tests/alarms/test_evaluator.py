"""The evaluator against CloudWatch's documented examples."""

from __future__ import annotations

import pytest

from tests.alarms.evaluator import ALARM, INSUFFICIENT, OK, Alarm, Metrics, state_of
from tests.alarms.expressions import UnknownExpression, evaluate
from tests.alarms.log_lines import Value

KEPT = "kept"
SIGNS = {"0": False, "X": True, "-": None}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@pytest.mark.parametrize(
    ("points", "enough", "states"),
    [
        # 3 of 3
        ("0 - X - X", 3, (OK, OK, OK, OK)),
        ("- - - - 0", 3, (OK, OK, OK, OK)),
        ("- - - - -", 3, (INSUFFICIENT, KEPT, ALARM, OK)),
        ("0 X X - X", 3, (ALARM, ALARM, ALARM, ALARM)),
        ("- - X - -", 3, (ALARM, KEPT, ALARM, OK)),
        # 2 of 3
        ("0 - X - X", 2, (ALARM, ALARM, ALARM, ALARM)),
        ("0 0 X 0 X", 2, (ALARM, ALARM, ALARM, ALARM)),
        ("0 - X - -", 2, (OK, OK, ALARM, OK)),
        ("- - - - 0", 2, (OK, OK, ALARM, OK)),
        ("- - - X -", 2, (ALARM, KEPT, ALARM, OK)),
    ],
)
def test_missing_data_is_treated_as_documented(points: str, enough: int, states: tuple[str, ...]) -> None:
    """Both tables of "How alarm state is evaluated when data is missing"."""
    for treatment, state in zip(TREATMENTS, states, strict=True):
        signs = [SIGNS[sign] for sign in points.split()]
        assert state_of(signs, needed=3, enough=enough, missing=treatment, before=KEPT) == state, treatment


SERIES = {"a": {0.0: 1.0, 60.0: 0.0}, "b": {60.0: 4.0}, "c": {}}
TIMES = (0.0, 60.0, 120.0)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + b", {60.0: 4.0}),
        ("FILL(a, 0) + FILL(b, 7)", {0.0: 8.0, 60.0: 4.0, 120.0: 7.0}),
        ("FILL(c, 3)", {0.0: 3.0, 60.0: 3.0, 120.0: 3.0}),
        ("b / a", {}),
        ("100 * b / 2 - 1", {60.0: 199.0}),
        ("a >= 1", {0.0: 1.0, 60.0: 0.0}),
        ("IF(a, 5, b)", {0.0: 5.0, 60.0: 4.0}),
        ("IF(FILL(a, 0) >= 1, 100 * FILL(b, 0) / FILL(a, 0), 0)", {0.0: 0.0, 60.0: 0.0, 120.0: 0.0}),
        ("RUNNING_SUM(FILL(b, 1))", {0.0: 1.0, 60.0: 5.0, 120.0: 6.0}),
        ("-a", {0.0: -1.0, 60.0: 0.0}),
    ],
)
def test_expressions(expression: str, value: dict[float, float]) -> None:
    """Where a series has no value, and where it has one."""
    assert evaluate(expression, SERIES, TIMES) == value


@pytest.mark.parametrize(
    "expression", ["ANOMALY_DETECTION_BAND(a)", "SEARCH('x')", "a +", "unknown", "1 + 1", "FILL(1, 0)", "a if b else c"]
)
def test_expression_that_is_not_known_is_no_silent_alarm(expression: str) -> None:
    """The failure: an alarm passes as quiet because nothing could judge it."""
    with pytest.raises(UnknownExpression):
        evaluate(expression, SERIES, TIMES)


def alarm(**changes: object) -> Alarm:
    usual = {
        "Namespace": "N",
        "MetricName": "M",
        "Dimensions": [{"Name": "stack", "Value": "s"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    return Alarm("A", {name: value for name, value in {**usual, **changes}.items() if value is not None})


def values(count: int, value: float = 1.0, unit: str = "Count", **dimensions: str) -> Metrics:
    named = frozenset((dimensions or {"stack": "s"}).items())
    return Metrics.of(Value("N", "M", named, 30.0, value, unit) for _ in range(count))


def test_statistic_dimensions_and_unit_decide_what_counts() -> None:
    """A value of another stack, another unit, or with one dimension more is another metric."""
    assert alarm().run(values(5), 0, 180) == [60]
    assert alarm().run(values(4), 0, 180) == []
    assert alarm().run(values(5, stack="t"), 0, 180) == []
    assert alarm().run(values(5, stack="s", function="f"), 0, 180) == []
    assert alarm(Unit="Seconds").run(values(5), 0, 180) == []
    assert alarm(Unit="Count").run(values(5), 0, 180) == [60]
    assert alarm(Statistic="Maximum").run(values(5), 0, 180) == []
    assert alarm(Statistic="Average", Threshold=1).run(values(1), 0, 180) == [60]
    assert alarm(Statistic="SampleCount").run(values(5, value=0.1), 0, 180) == [60]
    assert alarm(ComparisonOperator="LessThanThreshold", TreatMissingData="breaching").run(values(5), 60, 60) == []
    assert alarm(ComparisonOperator="LessThanThreshold", TreatMissingData="breaching").run(values(4), 60, 60) == [60]


def test_percentile_of_few_values_keeps_the_state_where_the_alarm_says_so() -> None:
    """1,000 values are enough for the 99th percentile, by CloudWatch's formula."""
    few = {"Statistic": None, "ExtendedStatistic": "p99", "EvaluateLowSampleCountPercentile": "ignore"}
    assert alarm(**few).run(values(999, value=9), 0, 60) == []
    assert alarm(**few).run(values(1000, value=9), 0, 60) == [60]
    assert alarm(**{**few, "EvaluateLowSampleCountPercentile": "evaluate"}).run(values(1, value=9), 0, 60) == [60]


def test_m_of_n() -> None:
    """Two of three, in any order; one does not ring."""
    bad = [Value("N", "M", frozenset({("stack", "s")}), at, 5.0) for at in (30.0, 150.0)]
    two_of_three = alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    assert two_of_three.run(Metrics.of(bad), 0, 600) == [180]
    assert two_of_three.run(Metrics.of(bad[:1]), 0, 600) == []
