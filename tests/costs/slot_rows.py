"""The part of DynamoDB's client that slots need, in memory, counting units: a million decisions take a minute, and any
other call than those by key fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from botocore.exceptions import ClientError
from service.items.item_size import item_size, read_units, write_units


@dataclass
class SlotRows:
    """One table with the key ``slot``."""

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    read: float = 0.0
    written: float = 0.0
    round_trips: int = 0

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        self.round_trips += 1
        ((table, asked),) = RequestItems.items()
        names = [key["slot"]["S"] for key in asked["Keys"]]
        assert len(names) == len(set(names)) <= 100, "as DynamoDB asks"
        for name in names:
            self.read += read_units(self.sizes.get(name, 0), consistent=asked["ConsistentRead"])
        return {"Responses": {table: [self.rows[name] for name in names if name in self.rows]}}

    def put_item(self, *, Item: Mapping[str, Any], **condition: Any) -> None:
        name = Item["slot"]["S"]
        self._require(name, condition)
        size = item_size(Item)
        self.written += write_units(max(size, self.sizes.get(name, 0)))
        self.rows[name], self.sizes[name] = Item, size

    def delete_item(self, *, Key: Mapping[str, Any], **condition: Any) -> None:
        name = Key["slot"]["S"]
        self._require(name, condition)
        self.written += write_units(self.sizes.get(name, 0))
        self.rows.pop(name, None)
        self.sizes.pop(name, None)

    def _require(self, name: str, condition: Mapping[str, Any]) -> None:
        self.round_trips += 1
        read = condition.get("ExpressionAttributeValues", {}).get(":read")
        if self.rows.get(name, {}).get("revision") != read:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "PutItem")

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"detectors' states are read and written by key, and not by {name}")
