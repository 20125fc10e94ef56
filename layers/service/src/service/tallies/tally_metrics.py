"""What dashboards show of the gate and of the counting itself: metrics of the tally lines in one delivery.

The authorizer writes none of its own: here, one line has them for many processes. A delivery that is tried again is in
them again; the table is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service.tallies.known_apps import OF_TEST
from service.tallies.rows import STEPS
from service.tallies.tally_line import TallyLine
from service.telemetry.metric_sums import MetricSums

CLASSES: Final = ("verified", "no-token", "expired", "invalid", "replayed", "revoked", "wrong-audience", "unchecked")
"""Request classes of the gate."""


def counted_metrics(lines: Iterable[TallyLine], *, now: float) -> MetricSums:
    """``GateAccepted`` and so on by outcome, ``GateNoToken`` and so on by class, ``GateBundleAge``;
    ``ChallengesIssued``, ``FailuresReported``; and ``TallyDelay``, the longest time from the end of a bucket to its
    counting. Ages are in seconds."""
    sums = MetricSums()
    for line in lines:
        if line.bundle is not None:
            sums.highest("GateBundleAge", line.bundle.oldest_age)
        for entry in line.counts:
            if entry.app.endswith(OF_TEST):
                continue  # no tester wakes an operator
            sums.highest("TallyDelay", max(0.0, now - entry.at - STEPS[0]))
            for outcome, times in entry.other.items():
                _count(sums, line.source, outcome, "", times)
            for cell, times in entry.cells.items():
                request_class = cell.facts[1] if line.source == "authorize" else ""
                _count(sums, line.source, cell.outcome, request_class, times)
    return sums


def _count(sums: MetricSums, source: str, outcome: str, request_class: str, times: int) -> None:
    if source == "authorize":
        sums.count(f"Gate{outcome.capitalize()}", times)
        if request_class in CLASSES:
            sums.count("Gate" + "".join(word.capitalize() for word in request_class.split("-")), times)
    elif outcome == "issued":
        sums.count("ChallengesIssued", times)
    elif outcome == "reported":
        sums.count("FailuresReported", times)
