"""One deadline per request: who asks, who may still begin, and how long an attempt may take."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest
from service.deadline import (
    GATEWAY,
    MARGIN,
    require_time,
    reserving,
    seconds_left,
    time_of_invocation,
    time_of_request,
    within,
)
from service.errors import Unavailable


@dataclass
class LambdaContext:
    """What Lambda tells a function of its time."""

    milliseconds: int

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def test_there_is_no_deadline_but_where_one_was_set() -> None:
    """The operator's command uses the same adapters, and has all the time it needs."""
    assert seconds_left() == math.inf
    require_time("anything", 3600)


def test_deadline_ends_with_its_block_and_is_never_put_off_inside() -> None:
    """A call may be given less than the request has, not more."""
    with within(5):
        with within(60):
            assert seconds_left() <= 5
        with within(1):
            assert seconds_left() <= 1
        assert 1 < seconds_left() <= 5
    assert seconds_left() == math.inf


def test_what_is_reserved_is_there_afterwards() -> None:
    """A change may not use up what publishing it takes."""
    with within(10):
        with reserving(8):
            assert seconds_left() <= 2
        assert seconds_left() > 8


def test_thread_beside_the_request_has_no_deadline_of_the_request() -> None:
    """A refresh beside outlives the request that began it."""
    seen: list[float] = []
    with within(1):
        thread = threading.Thread(target=lambda: seen.append(seconds_left()))
        thread.start()
        thread.join(timeout=10)
    assert seen == [math.inf]


def test_nothing_is_spent_without_time() -> None:
    """And the sentence names what was not begun."""
    with within(0.5), pytest.raises(Unavailable) as late:
        require_time("spending a nonce", 1.0)
    assert late.value.what == "spending a nonce: no time left"


@pytest.mark.parametrize(
    ("milliseconds", "taken", "seconds"),
    [
        (10_000, None, 9.5),  # a function of ten seconds
        (60_000, None, GATEWAY - MARGIN),  # the gateway is more impatient
        (60_000, 4.0, GATEWAY - MARGIN - 4.0),  # a cold start is the gateway's time, too
        (60_000, 3600.0, GATEWAY - MARGIN),  # a clock that is wrong
        (60_000, -3600.0, GATEWAY - MARGIN),
    ],
)
def test_request_has_what_lambda_and_the_gateway_leave_it(
    milliseconds: int, taken: float | None, seconds: float
) -> None:
    """The smaller of both, less the margin for the answer."""
    gateway = {} if taken is None else {"requestTimeEpoch": int((time.time() - taken) * 1000)}
    found = time_of_request({"requestContext": gateway}, LambdaContext(milliseconds))
    assert found == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize(
    "event", [None, [], {}, {"requestContext": "x"}, {"requestContext": {"requestTimeEpoch": "x"}}]
)
def test_event_of_any_shape_has_a_time(event: Any) -> None:
    """The edge asks before it knows what came in."""
    assert time_of_request(event, None) == GATEWAY - MARGIN


def test_invocation_outside_lambda_has_all_the_time() -> None:
    """And inside what is left of the function's own."""
    assert time_of_invocation(None) == math.inf
    assert time_of_invocation(LambdaContext(60_000)) == 60 - MARGIN
