"""Region documents in the signing_keys table: the newest under a fixed key, and each epoch under one of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, get_row, to_item
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

NEWEST: Final = "regions"
"""The key of the newest document; that of epoch 7 is ``regions-7``. No signing key is called so."""


@dataclass(frozen=True, slots=True)
class RegionDocuments:
    """The documents, each written with an entry of the audit. Both methods raise
    :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit

    def newest(self) -> str | None:
        """The newest document as it was signed. Where two regions wrote the fixed key, the later write may have been
        the older document: what follows it is looked for."""
        newest, found = None, self._row(NEWEST)
        while found is not None:
            newest, found = found, self._row(f"{NEWEST}-{found['epoch'] + 1}")
        return None if newest is None else str(newest["document"])

    def _row(self, kid: str) -> dict[str, Any] | None:
        return get_row(self.client, self.table, {"kid": kid}, called="signing_keys")

    def add(self, jws: str, epoch: int, entry: AuditEntry) -> bool:
        """Add the document of an epoch. False when there is one: another operator was faster."""
        row = {"document": jws, "epoch": epoch}
        parts: dict[str, Any] = {
            "epoch": self._put({"kid": f"{NEWEST}-{epoch}", **row}, "attribute_not_exists(kid)", {}),
            "newest": self._put(
                {"kid": NEWEST, **row}, "attribute_not_exists(kid) OR #epoch < :epoch", {":epoch": epoch}
            ),
            "entry": self.audit.adding(entry),
        }

        def written() -> bool:
            return self.audit.has(entry)

        return not transact(self.client, parts, what="dynamodb:TransactWriteItems signing_keys", written=written)

    def _put(self, row: dict[str, object], condition: str, values: dict[str, object]) -> dict[str, Any]:
        named: dict[str, Any] = {"ExpressionAttributeNames": {"#epoch": "epoch"}} if values else {}
        if values:
            named["ExpressionAttributeValues"] = to_item(values)
        return {"Put": {"TableName": self.table, "Item": to_item(row), "ConditionExpression": condition, **named}}
