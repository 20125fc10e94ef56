"""A simulated stack answers as its limits let it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devkit.simulation.models import model
from devkit.simulation.region.limits import Limits
from devkit.simulation.region.stack import BY_FUNCTION, BY_GATEWAY, SILENCE, Condition, Stack

MODEL = model(Path(__file__).parents[2] / "template.yaml")


def stack(**changed: float) -> Stack:
    """One that is warm, with some limits changed."""
    services = {
        name: limit._replace(value=changed.get(name, limit.value)) for name, limit in MODEL.limits.services.items()
    }
    return Stack(replace(MODEL.limits, services=services), MODEL.services, before=1e9, is_measured=True)


def step(one: Stack, route: str, count: float, *, seconds: float = 1.0) -> tuple[float, dict[str, float]]:
    """What passes, and what is turned away, by reason."""
    one.begin(one.now + seconds, seconds)
    served = one.serve(route, count)
    one.end()
    return served.passed, {refused.why: refused.number for refused in served.refused}


def test_a_throttle_takes_its_burst_and_its_rate() -> None:
    one = stack()
    assert step(one, "renewals", 10_000) == (1_200, {"throttle of renewals": 8_800})  # 800 at once, 400 a second
    assert step(one, "renewals", 10_000)[0] == 400
    assert step(one, "renewals", 0)[0] == 0
    assert step(one, "renewals", 10_000)[0] == 800  # what a quiet second left


def test_what_the_gateway_refuses_waits_as_its_text_says_and_a_function_s_draws() -> None:
    one = stack(dynamodb_table_write=10)
    one.begin(1.0, 1.0)
    waits = {refused.why: refused.wait for refused in one.serve("renewals", 10_000).refused}
    assert waits == {"throttle of renewals": BY_GATEWAY, "DynamoDB table": BY_FUNCTION}
    assert waits["DynamoDB table"].most > waits["DynamoDB table"].least == BY_GATEWAY.most


def test_strangers_take_room_from_phones_and_nothing_from_tables() -> None:
    one = stack()
    one.begin(1.0, 1.0)
    one.strangers = {"enrolments": 2_700.0}
    served = one.serve("enrolments", 300.0)  # a burst of 200 and 100 a second, for 3,000
    assert served.passed == pytest.approx(30.0)
    assert sum(refused.number for refused in served.refused) == pytest.approx(270.0)


def test_lambda_bounds_what_is_at_once_and_how_fast_it_grows() -> None:
    few = stack(lambda_concurrency=5, lambda_requests_per_concurrency=1e6)
    passed, refused = step(few, "renewals", 400)
    assert passed == pytest.approx(5 / MODEL.services["renewals"].seconds, rel=0.01)
    assert refused.keys() == {"Lambda concurrency"}
    slow = stack(lambda_growth=2)
    assert step(slow, "renewals", 400)[1].keys() == {"Lambda growth"}
    assert step(slow, "renewals", 400)[0] > passed / 2


def test_rows_that_all_requests_read_bound_them_by_their_processes() -> None:
    """A busy process reads them twice a second, whatever it is asked: few processes pass, many do not."""
    limits = Limits(
        MODEL.limits.services,
        {**MODEL.limits.throttles, "renewals": MODEL.limits.throttles["renewals"]._replace(rate=1e6, burst=1e6)},
    )
    services = {name: limit._replace(value=1e9) for name, limit in limits.services.items()}
    services["dynamodb_partition_read"] = limits.services["dynamodb_partition_read"]
    one = Stack(replace(limits, services=services), MODEL.services, before=1e9, is_measured=True)
    assert step(one, "renewals", 20_000)[0] == 20_000
    assert not one.is_hot
    passed, refused = step(one, "renewals", 200_000)
    assert passed < 200_000
    assert refused.keys() == {"hot partition"}
    assert one.is_hot


def test_a_table_takes_twice_the_peak_that_is_old_enough() -> None:
    one = stack(dynamodb_table_write=1e9)
    one.before = 0.0
    assert step(one, "renewals", 1_200)[0] == 1_200  # 4,000 units: a new table
    room = one._write_capacity()
    one.now += 1_801.0
    assert room == 4_000
    one.before = 5_000.0
    assert one._write_capacity() == 10_000


def test_a_region_that_is_down_answers_nothing() -> None:
    one = stack()
    one.condition = Condition(is_down=True)
    one.begin(1.0, 1.0)
    served = one.serve("renewals", 5.0)
    assert [(refused.number, refused.wait, refused.answered) for refused in served.refused] == [(5.0, SILENCE, False)]


def test_a_vendor_that_is_down_costs_those_that_need_it() -> None:
    one = stack()
    one.condition = Condition(vendor_down=True)
    passed, refused = step(one, "enrolments", 100)
    assert passed == pytest.approx(85.0)
    assert refused == {"vendor": pytest.approx(15.0)}


def test_slow_keys_cost_processes_that_start() -> None:
    one = stack()
    one.condition = Condition(kms_seconds=4.0)
    assert "KMS too slow for a cold start" in step(one, "renewals", 400)[1]


def test_many_small_calls_in_a_step_take_no_more_than_there_is() -> None:
    """Rounding leaves less than nothing of a bucket, if it is let."""
    one = stack(gateway_account_rate=333.3, gateway_account_burst=77.7)
    one.begin(1.0, 1.0)
    passed = [
        one.serve(route, 0.1 + 1.7 * number).passed for number in range(60) for route in ("challenges", "renewals")
    ]
    assert min(passed) >= 0.0
    assert sum(passed) <= 411.0 + 1e-6
    one.end()
