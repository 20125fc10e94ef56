"""Writes what the stack published into the ledger, every few minutes and behind the publications, which it cannot slow
or fail. What one run leaves, the next one does.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from service.aws import dynamodb, kms, s3
from service.deadline import time_of_invocation, within
from service.ledger.bucket import KmsLedgerKey, LedgerBucket
from service.ledger.ledger_settings import RecordLedgerSettings
from service.ledger.log import Ledger
from service.ledger.notes import NoteKey
from service.ledger.published import PublishedTables
from service.ledger.recording import Recorder
from service.settings import read_settings


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
        return {"appended": wire().record()}
