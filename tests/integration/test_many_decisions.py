"""Decisions through everything that counts: what is read in the end is what was sent. `python -m tests.tallies` sends a
million."""

from __future__ import annotations

import pytest

from tests.tallies.counting import Result, run
from tests.tallies.decisions import Processes


@pytest.fixture(scope="module")
def result(ministack_url: str) -> Result:
    return run(ministack_url, Processes(number=20, seconds=4, decisions=8_000))


@pytest.mark.ministack
def test_every_decision_is_counted_once(result: Result) -> None:
    """Whatever became of its delivery: totals and reasons always, cells up to their number."""
    assert result.decisions > 7_500
    assert min(result.repeated, result.torn, result.cells_compared) > 1
    assert (result.totals, result.reasons, result.cells, result.beyond) == (0, 0, 0, 0), result.table()


@pytest.mark.ministack
def test_unique_keys_are_estimated_as_well_as_is_said(result: Result) -> None:
    assert result.estimates >= 8
    assert result.holds, result.table()
