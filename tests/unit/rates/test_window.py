"""What detectors over tallies are shown, and what the runner reads for it."""

from __future__ import annotations

import pytest
from service.detection.rates.window import HOURS, MINUTES, KnownBuild, spans, window_of
from service.tallies.rows import TallyRow

NOW = 1_764_250_205.5


@pytest.mark.parametrize("now", [NOW, NOW - NOW % 60, NOW - NOW % 3600, NOW - NOW % 3600 + 3599.9])
def test_spans_end_with_the_bucket_that_still_grows(now: float) -> None:
    for (step, since, until), count in zip(spans(now), (MINUTES, HOURS), strict=True):
        assert since % step == until % step == 0
        assert (until - since) // step == count
        assert until - step <= now < until


def test_a_window_has_rows_by_length_and_source_in_order_of_time() -> None:
    rows = [
        TallyRow("a", source, step, at) for step in (3600, 60) for source in ("renew", "enrol") for at in (7200, 3600)
    ]
    window = window_of("a", rows, NOW, builds={KnownBuild("apple", "42"): 1.0})
    assert {source: [(row.step, row.at) for row in found] for source, found in window.minutes.items()} == {
        source: [(60, 3600), (60, 7200)] for source in ("renew", "enrol")
    }
    assert [row.step for row in window.hours["enrol"]] == [3600, 3600]
    assert window.builds == {("apple", "42"): 1.0}
    assert window.slot("any", "slot") is None
