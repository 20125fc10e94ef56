"""Windows of time, and shares that sum up to their allowance."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from service.relay.budget_windows import MOST_SHARDS, Allowance, Window


def at(text: str) -> float:
    """Unix seconds of a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        (Window.MINUTE, "2027-12-31T23:59:00", "2028-01-01T00:00:00"),
        (Window.HOUR, "2027-12-31T23:00:00", "2028-01-01T00:00:00"),
        (Window.DAY, "2027-12-31T00:00:00", "2028-01-01T00:00:00"),
        (Window.MONTH, "2027-12-01T00:00:00", "2028-01-01T00:00:00"),
    ],
)
def test_windows_begin_where_the_calendar_does(window: Window, begin: str, end: str) -> None:
    """Also over the turn of a year; the end belongs to the next one."""
    assert window.around(at("2027-12-31T23:59:59")) == (at(begin), at(end))
    assert window.around(at(begin)) == (at(begin), at(end))
    assert window.around(at(end))[0] == at(end)


@pytest.mark.parametrize("requests", [1, 2, 7, 8, 9, 1000, 1003])
@pytest.mark.parametrize("units", [None, 1, 100, 1003, 10**9])
@pytest.mark.parametrize("most", [1, 40, 100])
def test_shares_sum_up_to_the_allowance(requests: int, units: int | None, most: int) -> None:
    """To the request and to the unit, whatever the numbers; each can hold the largest call there is."""
    shares = Allowance(Window.DAY, requests, units).shares(most)
    assert 1 <= len(shares) <= MOST_SHARDS
    assert sum(share.requests for share in shares) == requests
    assert all(share.requests > 0 for share in shares)
    if units is None:
        assert {share.units for share in shares} == {None}
    else:
        assert sum(share.units or 0 for share in shares) == units
        if most <= units:
            assert all((share.units or 0) >= most for share in shares)


def test_retry_after_is_the_time_to_the_next_window() -> None:
    """In whole seconds, and never none."""
    allowance = Allowance(Window.MINUTE, 1)
    assert allowance.retry_after(at("2027-01-01T00:00:00")) == 60
    assert allowance.retry_after(at("2027-01-01T00:00:59") + 0.9) == 1
