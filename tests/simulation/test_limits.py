"""The limits say where they are from; a file of one's own says what it changes, or is refused in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from bonafide.operator.errors import OperatorError
from devkit.simulation.region.limits import RAISED, THROTTLED_BY, Limits, default_limits

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


@pytest.fixture(scope="module")
def limits() -> Limits:
    return default_limits(TEMPLATE)


def test_each_limit_has_a_source_and_a_unit(limits: Limits) -> None:
    for name, limit in limits.services.items():
        assert limit.source.startswith("https://"), name
        assert limit.unit, name
        assert limit.value > 0, name
        assert limit.read == "known from before" or re.fullmatch(r"2\d{3}-\d\d-\d\d", limit.read), name
    assert limits.assumptions.keys() == {name for name, one in limits.services.items() if one.exercised is None}


def test_throttles_are_the_template_s(limits: Limits) -> None:
    text = TEMPLATE.read_text("utf-8")
    for route, stem in THROTTLED_BY.items():
        burst = re.search(rf"{stem}Burst: \{{ Type: Number, Default: (\d+)", text)
        assert burst is not None
        assert limits.throttles[route].burst == float(burst[1])


def test_the_raised_limits_raise(limits: Limits) -> None:
    raised = limits.overlaid(RAISED)
    named = json.loads(RAISED.read_text("utf-8"))
    for name, value in named["limits"].items():
        assert raised[name] == value >= limits[name]
    assert all(raised.throttles[route].rate > limits.throttles[route].rate for route in THROTTLED_BY)
    assert set(raised.raised) == {*named["limits"], *named["parameters"]}


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"limit": {}},
        {"limits": []},
        {"limits": {"gateway": 5}},
        {"limits": {"kms_sign": "300"}},
        {"limits": {"kms_sign": True}},
        {"limits": {"kms_sign": 0}},
        {"limits": {"kms_sign": float("inf")}},
        {"parameters": {"SignalRate": 5}},
        {"parameters": {"RenewalRate": -1}},
    ],
)
def test_what_is_no_file_of_limits_is_refused(given: Mapping[str, object], limits: Limits, tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    file.write_text(json.dumps(given), "utf-8")
    with pytest.raises(OperatorError, match="limits"):
        limits.overlaid(file)


def test_a_file_that_is_not_there_is_refused(limits: Limits, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No such file"):
        limits.overlaid(tmp_path / "none.json")
