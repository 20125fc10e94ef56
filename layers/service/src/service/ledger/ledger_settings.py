"""What ``record_ledger`` is told."""

from __future__ import annotations

from dataclasses import dataclass

from service.settings import StackSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLedgerSettings(StackSettings):
    """``record_ledger``: the tables of the stack whose ledger it is, whose bundles they are (``token_issuer``), the
    ledger's bucket, the key in KMS that signs checkpoints, and the name of the log (``ledger_origin``)."""

    apps_table: str
    policies_table: str
    trust_bundles_table: str
    builds_table: str
    token_issuer: str
    ledger_bucket: str
    ledger_key_id: str
    ledger_origin: str
