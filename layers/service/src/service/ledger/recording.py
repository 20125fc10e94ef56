"""One run of the function that writes the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit

from service.deadline import seconds_left
from service.ledger.log import MOST_AT_ONCE, Ledger
from service.ledger.published import PublishedTables
from service.telemetry.metrics import emit

METRIC: Final = "LedgerEntries"
"""One value for each run that succeeded; stacks/ledger.yaml rings where there is none."""
_FOR_A_STEP: Final = 20.0
"""Seconds that must be left for another step."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """The ledger, and the tables of what was published."""

    ledger: Ledger
    tables: PublishedTables

    def record(self) -> int:
        """Append all that is new, as far as the time goes; how many entries that were."""
        appended = step = self.ledger.append(self.tables.after)
        # What is shorter than a step was all; a first run over an old stack takes several.
        while step >= MOST_AT_ONCE and seconds_left() > _FOR_A_STEP:
            step = self.ledger.append(self.tables.after)
            appended += step
        emit(METRIC, MetricUnit.Count, appended)
        return appended
