"""Receipts that older releases kept beside the keys, brought into the receipts table once.

Nothing names the keys that have one, so the table of keys is read page by page, one page a run: twice over, the second
time a day after the first, because functions of the release before may go on for a while beside these. Where it stands
is a row of the receipts table. The rows there stay as they are, until their own time is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import from_item, get_row, to_item, unavailable_on_failure
from service.receipts.stored_receipt import DAY, KEPT, LIFE, StoredReceipt, queue_of
from service.receipts.table import DynamoDBReceipts
from service.tables.attested_keys import RECEIPT_OF, DynamoDBAttestedKeys

PASSES: Final = 2
_PLACE: Final = "older-receipts"
_READ: Final = 500
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class OlderReceipts:
    """Brings them over. Raises :class:`~service.errors.Unavailable`; the next run repeats the page then."""

    receipts: DynamoDBReceipts
    attested_keys: DynamoDBAttestedKeys

    def bring_page(self, now: float) -> int:
        """Bring over those of the next page, if there is one to read; how many."""
        place = self._place()
        if place.get("passes", 0) >= PASSES or place.get("not_before", 0) > now:
            return 0
        more: dict[str, Any] = {"ExclusiveStartKey": to_item({"key_id": place["next"]})} if "next" in place else {}
        client = self.attested_keys.client
        with unavailable_on_failure("dynamodb:Scan attested_keys"):
            page = client.scan(
                TableName=self.attested_keys.table,
                Limit=_READ,
                FilterExpression="begins_with(key_id, :receipt)",
                ExpressionAttributeValues=to_item({":receipt": RECEIPT_OF}),
                **more,
            )
        brought = sum(self._bring(from_item(item), now) for item in page["Items"])
        last = page.get("LastEvaluatedKey")
        if last:
            self._write({**place, "next": last["key_id"]["S"]})
        else:
            self._write({"passes": place.get("passes", 0) + 1, "not_before": int(now) + DAY})
        return brought

    def _bring(self, row: Mapping[str, Any], now: float) -> bool:
        key = self.attested_keys.find(row["key_id"].removeprefix(RECEIPT_OF))
        if key is None or key.expires_at <= now or key.claims.apple is None:
            return False
        until = key.enrolled_at + LIFE
        if until <= now:
            return False
        return self.receipts.add(
            StoredReceipt(
                key_id=key.key_id,
                app=key.app,
                queue=queue_of(key.app, key.claims.app_id, key.claims.environment, key.key_id),
                receipt=row["receipt"],
                usable_until=until,
                due_at=int(now),
                expires_at=until + KEPT,
            )
        )

    def _place(self) -> dict[str, Any]:
        row = get_row(self.receipts.client, self.receipts.table, {"key_id": _PLACE}, called="receipts")
        return row or {}

    def _write(self, place: Mapping[str, Any]) -> None:
        with unavailable_on_failure("dynamodb:PutItem receipts"):
            self.receipts.client.put_item(TableName=self.receipts.table, Item=to_item({**place, "key_id": _PLACE}))
