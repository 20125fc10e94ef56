"""What calls cost by their own word: the units that a stand-in for DynamoDB counts by the sizes of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OPERATIONS = ("GetItem", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


@contextmanager
def consumed_capacity(client: Any) -> Iterator[Counter[str]]:
    """While open: units by operation, of every call of ``client``."""
    units: Counter[str] = Counter()

    def ask(params: dict[str, Any], **_more: object) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def read(parsed: dict[str, Any], model: Any, **_more: object) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        for part in consumed if isinstance(consumed, list) else [consumed]:
            units[model.name] += part["CapacityUnits"]

    events = client.meta.events
    for name in OPERATIONS:
        events.register(f"before-parameter-build.dynamodb.{name}", ask)
        events.register(f"after-call.dynamodb.{name}", read)
    try:
        yield units
    finally:
        for name in OPERATIONS:
            events.unregister(f"before-parameter-build.dynamodb.{name}", ask)
            events.unregister(f"after-call.dynamodb.{name}", read)
