"""Region documents in the signing_keys table: the newest under a fixed key, and each epoch under one of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, get_row, to_item
from service.errors import Unavailable
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.signing_keys import DOCUMENTS
from service.transactions import transact

NEWEST: Final = DOCUMENTS
"""The key of the newest document; that of epoch 7 is ``regions-7``. No signing key is called so."""

MOST_FOLLOWING: Final = 100
"""How many documents may follow the one under the fixed key: one or two do, where two regions wrote it."""


@dataclass(frozen=True, slots=True)
class RegionDocuments:
    """The documents, each written with an entry of the audit. Both methods raise
    :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit

    def newest(self) -> str | None:
        """The newest document as it was signed. Where two regions wrote the fixed key, the later write may have been
        the older document: what follows it is looked for, by the numbers of the keys. A row is not trusted: one that
        holds no text is passed over, and one without an epoch is followed from the first."""
        row = self._row(NEWEST)
        if row is None:
            return None
        newest, epoch = _text_of(row), row.get("epoch")
        start = epoch if type(epoch) is int and epoch > 0 else 0
        for number in range(start + 1, start + MOST_FOLLOWING + 1):
            row = self._row(f"{NEWEST}-{number}")
            if row is None:
                return newest
            newest = _text_of(row) or newest
        raise Unavailable(f"more than {MOST_FOLLOWING} region documents follow the newest one")

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


def _text_of(row: dict[str, Any]) -> str | None:
    document = row.get("document")
    return document if type(document) is str else None
