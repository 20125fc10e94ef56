"""Detectors' states in the ``detector_state`` table, sealed. Rows are read and written by key alone: no query, no scan.

A read may be a moment old, for half the price: a state that another writer overtook is not written, and then read
again as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.aws import DynamoDBClient, put_row_if, to_item, write_conditionally
from service.detection.slots import Held, Slot
from service.incidents.sealing import MemberSeal
from service.items.batch_read import Place, read_rows

_BATCH: Final = 100
_CALLED: Final = "detector_state"


@dataclass(frozen=True, slots=True)
class DynamoDBSlots:
    """:class:`~service.detection.slots.Slots` in DynamoDB."""

    client: DynamoDBClient
    table: str
    seal: MemberSeal

    def read(self, slots: Sequence[Slot], now: float, *, newest: bool = False) -> Mapping[Slot, Held]:
        """As the protocol says. A state that cannot be unsealed any more is none."""
        found: dict[Slot, Held] = {}
        for first in range(0, len(slots), _BATCH):
            batch = slots[first : first + _BATCH]
            places = [Place(self.table, {"slot": _key(slot)}) for slot in batch]
            for slot, row in zip(batch, read_rows(self.client, places, consistent=newest), strict=True):
                if row is None:
                    found[slot] = Held(None, "")
                elif row["expires_at"] <= now:  # the table's TTL takes its time
                    found[slot] = Held(None, row["revision"])
                else:
                    found[slot] = Held(self.seal.open(row["state"], of=_key(slot)), row["revision"])
        return found

    def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
        """As the protocol says."""
        key, expected = _key(slot), {":read": before.revision} if before.revision else None
        unchanged = "revision = :read" if before.revision else "attribute_not_exists(revision)"
        if state is not None:
            row = {
                "slot": key,
                "revision": uuid.uuid4().hex[:16],
                "state": self.seal.seal(state, of=key, now=now),
                "expires_at": int(keep_until) + 1,
            }
            return put_row_if(self.client, self.table, row, unchanged, expected, called=_CALLED)
        if expected is None:
            return True
        return write_conditionally(
            f"dynamodb:DeleteItem {_CALLED}",
            self.client.delete_item,
            TableName=self.table,
            Key=to_item({"slot": key}),
            ConditionExpression=unchanged,
            ExpressionAttributeValues=to_item(expected),
        )


def _key(slot: Slot) -> str:
    return f"{slot.app}#{slot.detector}#{slot.version}#{slot.name}"
