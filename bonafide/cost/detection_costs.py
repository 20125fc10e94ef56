"""What detection costs for a million decisions: measured amounts, times list prices.

``measured_detection.json`` is written by ``python -m tests.costs --detection``, from the decisions of ordinary days
that the red fleet makes, through the detectors that the functions run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide.cost.costing import HERE, Prices, markdown_table

MEMORY_MB: Final = 512
CEILING: Final = 0.50
"""Dollars that detection may cost for a million decisions."""
MINUTES: Final = 1_440
"""Runs of ``find_incidents`` that come with a million decisions, in a stack with one app that makes them in a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionAmounts:
    """What so many ``deliveries`` of log lines, or runs, take: units of DynamoDB, and time of the function's own."""

    deliveries: int
    read_units: float
    write_units: float
    round_trips: float
    processor_ms: float


def measured_detection() -> Mapping[str, DetectionAmounts]:
    """For a million decisions: what showing them takes, and the runs of the minutes meanwhile."""
    return amounts_of(json.loads((HERE / "measured_detection.json").read_text("utf-8")))


def amounts_of(found: Mapping[str, Any]) -> Mapping[str, DetectionAmounts]:
    """The same of what was measured, as ``measured_detection.json`` has it."""
    decisions = {name: value for name, value in found["decisions"].items() if name != "largest_row"}
    minute = {name: value * MINUTES for name, value in found["minute"].items()}
    return {
        "decisions shown to detectors": DetectionAmounts(**decisions),
        "a day of looks at tallies, each minute": DetectionAmounts(deliveries=MINUTES, **minute),
    }


def detection_dollars(amounts: DetectionAmounts, prices: Prices) -> Mapping[str, float]:
    """Dollars by service of AWS."""
    dollars, assumed = prices.dollars, prices.assumed
    slower = max(1.0, assumed["full_processor_mb"] / MEMORY_MB)
    seconds = (amounts.processor_ms * slower + amounts.round_trips * assumed["round_trip_ms"]) / 1000
    return {
        "lambda": amounts.deliveries * dollars["lambda_request"]
        + seconds * MEMORY_MB / 1024 * dollars["lambda_gb_second"],
        "dynamodb": amounts.write_units * dollars["write_unit"] + amounts.read_units * dollars["read_unit"],
    }


HEADS: Final = ("detection, a million", "invocations", "reads", "writes", "own ms", "Lambda", "DynamoDB", "$")


def detection_rows(prices: Prices) -> list[list[str]]:
    """The rows of the table, the sum last."""
    rows, total = [], {"lambda": 0.0, "dynamodb": 0.0}
    for name, amounts in measured_detection().items():
        costs = detection_dollars(amounts, prices)
        total = {part: total[part] + cost for part, cost in costs.items()}
        told = (amounts.deliveries, amounts.read_units, amounts.write_units, amounts.processor_ms)
        rows.append([name, *(f"{round(each):,}" for each in told), *_dollars(costs)])
    return [*rows, ["both", "", "", "", "", *_dollars(total)]]


def detection_per_million(prices: Prices) -> float:
    """Dollars for a million decisions, in all."""
    return sum(sum(detection_dollars(each, prices).values()) for each in measured_detection().values())


def detection_table(prices: Prices) -> list[str]:
    """The table of docs/costs.md."""
    return markdown_table(HEADS, detection_rows(prices))


def _dollars(costs: Mapping[str, float]) -> list[str]:
    return [*(f"{cost:.3f}" for cost in costs.values()), f"**{sum(costs.values()):.3f}**"]
