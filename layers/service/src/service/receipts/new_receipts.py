"""The receipt of a key that enrols: kept in the transaction that adds the key, with no other right to the table."""

from __future__ import annotations

from dataclasses import dataclass

from service.aws import TransactWriteItemTypeDef, to_item
from service.receipts.stored_receipt import KEPT, LIFE, StoredReceipt, queue_of, row_of
from service.tables.attested_keys import EnrolledKey


def new_receipt(key: EnrolledKey) -> StoredReceipt | None:
    """The row of a key that enrols with a receipt: due at once. What it says is not verified yet."""
    if key.receipt is None:
        return None
    until = key.enrolled_at + LIFE
    return StoredReceipt(
        key_id=key.key_id,
        app=key.app,
        queue=queue_of(key.app, key.claims.app_id, key.claims.environment, key.key_id),
        receipt=key.receipt,
        usable_until=until,
        due_at=key.enrolled_at,
        expires_at=until + KEPT,
    )


@dataclass(frozen=True, slots=True)
class NewReceipts:
    """The part of a transaction that keeps a receipt in ``table``."""

    table: str

    def keeping(self, key: EnrolledKey) -> TransactWriteItemTypeDef | None:
        """Keeps the receipt of a key that enrols, if there is one. A receipt of an earlier enrolment of that key gives
        way: it was forgotten, and this one is due at once."""
        receipt = new_receipt(key)
        return None if receipt is None else {"Put": {"TableName": self.table, "Item": to_item(row_of(receipt))}}
