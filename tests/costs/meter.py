"""What one call of a function takes: units by the sizes of what it really reads and writes, log lines, time."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from bonafide_tokens.counting.tally import TALLIES
from service.items.item_size import item_size, read_units, write_units
from service.telemetry.decisions import logger

Item = Mapping[str, Any]
_ARCHIVED = ("enrol", "renew", "signal", "secret")  # as the subscriptions in template.yaml say


@dataclass
class Meter:
    """Counts while :meth:`on`; ``tables`` is a client of its own, to look rows up before and after a write."""

    tables: Any
    read: float = 0.0
    written: float = 0.0
    round_trips: int = 0
    kms: int = 0
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    counting: bool = False
    _own: float = 0.0
    _thread: int = 0
    _before: dict[str, int] = field(default_factory=dict)
    _keys: dict[str, list[str]] = field(default_factory=dict)

    def attach(self, client: Any) -> None:
        """Have calls of a DynamoDB or KMS client counted."""
        service = client.meta.service_model.service_name
        client.meta.events.register(f"before-parameter-build.{service}", self._begins)
        client.meta.events.register(f"after-call.{service}", self._ended)

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count what happens inside, and take the log for it."""
        self.read = self.written = self.seconds = self._own = 0.0
        self.round_trips = self.kms = 0
        log: Any = logger().registered_handler
        stream, log.stream = log.stream, io.StringIO()
        told = log.stream
        self._thread = threading.get_ident()
        self.counting, started = True, time.thread_time()  # this thread's: a stand-in for AWS is another one
        try:
            with redirect_stdout(told):
                yield
        finally:
            self.seconds, self.counting, log.stream = time.thread_time() - started - self._own, False, stream
            self.lines = told.getvalue().splitlines()

    @property
    def logged(self) -> int:
        """Bytes of the lines."""
        return sum(len(line.encode("utf-8")) for line in self.lines)

    @property
    def archived(self) -> int:
        """Bytes of the decisions among them."""
        return sum(len(line) for line in self.lines if json.loads(line).get("action") in _ARCHIVED)

    def _counts(self) -> bool:
        """Not what a refresh in the background reads: it is due every so many seconds, not for each request."""
        return self.counting and threading.get_ident() == self._thread

    @contextmanager
    def _besides(self) -> Iterator[None]:
        """What the meter does itself costs the function nothing."""
        started = time.thread_time()
        yield
        self._own += time.thread_time() - started

    def _begins(self, params: dict[str, Any], model: Any, **_more: object) -> None:
        if self._counts() and model.service_model.service_name == "dynamodb":
            self._asked = params
            with self._besides():
                self._before = {name: self._size(*place) for name, place in _written(model.name, params, self._keys_of)}

    def _ended(self, parsed: dict[str, Any], model: Any, **_more: object) -> None:
        if self._counts():
            with self._besides():
                self._count(parsed, model)

    def _count(self, parsed: dict[str, Any], model: Any) -> None:
        self.round_trips += 1
        if model.service_model.service_name != "dynamodb":
            self.kms += 1
            return
        consistent = bool(self._asked.get("ConsistentRead"))
        transaction = model.name.startswith("Transact")
        for name, place in _written(model.name, self._asked, self._keys_of):
            self.written += write_units(max(self._before[name], self._size(*place)), transaction=transaction)
        if model.name == "GetItem":
            self.read += read_units(item_size(parsed.get("Item", {})), consistent=consistent)
        elif model.name in ("Query", "Scan"):
            self.read += read_units(sum(map(item_size, parsed["Items"])), consistent=consistent)
        elif model.name == "BatchGetItem":
            for table, asked in self._asked["RequestItems"].items():
                there = parsed["Responses"].get(table, [])
                sizes = [item_size(row) for row in there] + [0] * (len(asked["Keys"]) - len(there))
                self.read += sum(read_units(size, consistent=asked.get("ConsistentRead", False)) for size in sizes)

    def _keys_of(self, table: str) -> list[str]:
        if table not in self._keys:
            schema = self.tables.describe_table(TableName=table)["Table"]["KeySchema"]
            self._keys[table] = [part["AttributeName"] for part in schema]
        return self._keys[table]

    def _size(self, table: str, key: Item) -> int:
        return item_size(self.tables.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}))


def _written(operation: str, params: Mapping[str, Any], keys_of: Any) -> Iterator[tuple[str, tuple[str, Item]]]:
    """The rows that a request writes, by a name: table and key."""
    if operation == "TransactWriteItems":
        parts = [next(iter(part.values())) for part in params["TransactItems"]]
    else:
        parts = [params] if operation in ("PutItem", "UpdateItem", "DeleteItem") else []
    for number, part in enumerate(parts):
        table = part["TableName"]
        key = part.get("Key") or {name: part["Item"][name] for name in keys_of(table)}
        yield str(number), (table, key)


def write_counts() -> None:
    """Have this process write what it counted and has not written yet."""
    for tally in list(TALLIES):
        tally.flush()
