"""What counting decisions for the threat view costs: measured amounts of each tally line, times list prices.

``measured_view.json`` is written by ``python -m tests.costs``. A subscription of CloudWatch Logs that hands lines to a
function has no price of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.tallies.rows import FACTS

from bonafide.cost.costing import HERE, MILLION, Prices, markdown_table, path_tables
from bonafide.cost.detection_costs import detection_table

MEMORY_MB: Final = 512
POLL: Final = 2.0
"""Seconds between two polls of a console."""
WINDOW: Final = 900
"""Seconds that a console shows by default."""
_NEWEST: Final = 120
_REMEMBERED: Final = 30.0
"""The last two minutes are read for each poll, all of the window every so many seconds
(:mod:`service.view.remembered_rows`)."""
_GB: Final = 1024**3
_READ: Final = 4_096
_DAY: Final = 86_400
_VIEW_SECONDS: Final = 0.05
"""What a poll is taken to last in the Admin API's function."""
_SOURCES: Final = len(FACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLine:
    """What one tally line takes, on average, of so many decisions. ``function_log_bytes`` are the metrics that the
    function writes for it, ``row_bytes`` those of a row of two seconds."""

    decisions: int
    line_bytes: int
    function_log_bytes: int
    read_units: float
    write_units: float
    round_trips: float
    processor_ms: float
    row_bytes: int

    @property
    def lines_per_million(self) -> int:
        """Lines, and with them deliveries, of a million decisions."""
        return math.ceil(MILLION / self.decisions)


def measured_lines() -> Mapping[str, CountedLine]:
    """The cases by name, as they were measured."""
    found = json.loads((HERE / "measured_view.json").read_text("utf-8"))
    return {name: CountedLine(**amounts) for name, amounts in found.items()}


def counting_per_million(line: CountedLine, prices: Prices) -> Mapping[str, float]:
    """Dollars for counting a million decisions, one line in each delivery: log, function, table."""
    dollars, assumed = prices.dollars, prices.assumed
    slower = max(1.0, assumed["full_processor_mb"] / MEMORY_MB)
    seconds = (line.processor_ms * slower + line.round_trips * assumed["round_trip_ms"]) / 1000
    function = dollars["lambda_request"] + seconds * MEMORY_MB / 1024 * dollars["lambda_gb_second"]
    logged = line.line_bytes + line.function_log_bytes + 2 * assumed["log_event_bytes"] + assumed["platform_log_bytes"]
    one = {
        "logs": logged / _GB * dollars["logged_gb"],
        "lambda": function,
        "dynamodb": line.write_units * dollars["write_unit"] + line.read_units * dollars["read_unit"],
    }
    return {part: cost * line.lines_per_million for part, cost in one.items()}


def consoles_per_day(consoles: int, row_bytes: int, busy: int, prices: Prices) -> Mapping[str, float]:
    """Dollars a day for consoles that are open all day, each with the view of one app: ``busy`` sources have a row of
    ``row_bytes`` every two seconds, the others none."""
    polls = consoles * _DAY / POLL
    newest, whole = (math.ceil(seconds / 2 * row_bytes / _READ) / 2 for seconds in (_NEWEST, WINDOW))
    units = busy * (newest + whole * POLL / _REMEMBERED) + (_SOURCES - busy) / 2
    dollars = prices.dollars
    function = dollars["lambda_request"] + _VIEW_SECONDS * MEMORY_MB / 1024 * dollars["lambda_gb_second"]
    one = {"gateway": dollars["rest_request"], "lambda": function, "dynamodb": units * dollars["read_unit"]}
    return {part: cost * polls for part, cost in one.items()}


def view_rows(prices: Prices) -> list[list[str]]:
    """The rows of the table of counting."""
    rows = []
    for name, line in measured_lines().items():
        costs = counting_per_million(line, prices)
        number = line.lines_per_million
        logged = number * (line.line_bytes + line.function_log_bytes)
        amounts = (number, logged, number * line.write_units, number * line.read_units)
        told = [f"{round(amount):,}" for amount in amounts]
        rows.append([name, *told, *(f"{cost:.2f}" for cost in costs.values()), f"**{sum(costs.values()):.2f}**"])
    return rows


def page(prices: Prices) -> str:
    """All tables of docs/costs.md."""
    heads = (
        "counting a million",
        "tally lines",
        "log bytes",
        "write units",
        "read units",
        "logs",
        "Lambda",
        "DynamoDB",
    )
    counting = markdown_table((*heads, "$"), view_rows(prices))
    tables = (path_tables(prices), *counting, "", console_sentence(prices), "", *detection_table(prices), "")
    return "\n".join(tables)


def console_sentence(prices: Prices) -> str:
    """What ten consoles cost."""
    row_bytes = max(line.row_bytes for line in measured_lines().values())
    costs = consoles_per_day(10, row_bytes, 2, prices)
    parts = ", ".join(f"{part} {cost:.2f}" for part, cost in costs.items())
    return (
        f"Ten consoles that ask every two seconds, all day, with rows of {row_bytes:,} bytes at the gate and of "
        f"renewals: {sum(costs.values()):.2f} dollars a day ({parts})."
    )
