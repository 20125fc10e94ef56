"""Writes what the stack published into the ledger, every few minutes and behind the publications, which it cannot slow
or fail. What one run leaves, the next one does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from service.aws import dynamodb, kms, s3
from service.deadline import seconds_left, time_of_invocation, within
from service.ledger.bucket import KmsLedgerKey, LedgerBucket
from service.ledger.ledger_settings import RecordLedgerSettings
from service.ledger.log import MOST_AT_ONCE, Ledger
from service.ledger.notes import NoteKey
from service.ledger.published import PublishedTables
from service.settings import read_settings
from service.telemetry.metrics import emit

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
        return appended


@cache
def wire() -> Recorder:
    """What a run works on, from the environment; made once."""
    settings = read_settings(RecordLedgerSettings, os.environ)
    signer = KmsLedgerKey(kms(), settings.ledger_key_id)
    key = NoteKey(settings.ledger_origin, signer.public())
    tables = PublishedTables(
        dynamodb(),
        settings.apps_table,
        settings.policies_table,
        settings.trust_bundles_table,
        settings.builds_table,
        settings.token_issuer,
    )
    return Recorder(Ledger(LedgerBucket(s3(), settings.ledger_bucket), key, signer.sign), tables)


def handler(_event: Any, context: object) -> dict[str, int]:
    """Lambda's entry. An error is counted by Lambda, and rings when it stays; nothing is lost by it."""
    with within(time_of_invocation(context)):
        appended = wire().record()
    emit("LedgerEntries", MetricUnit.Count, appended)
    return {"appended": appended}
