"""A region's tables in memory, with a change stream and conditions as the stand-in has them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devkit.regions.rows import Change, Item, RowKey, WrittenAt
from devkit.regions.tables import RegionGone, unchanged


def key_of(name: str) -> Item:
    """The key of row `name`."""
    return {"k": {"S": name}}


@dataclass(slots=True)
class MemoryTables:
    """One table `t`, keyed by `k`. `before_write` is called when replication has decided to write and has not yet."""

    name: str
    clock: Callable[[], float]
    rows: dict[str, Item] = field(default_factory=dict)
    before_write: Callable[[], None] = lambda: None
    gone: bool = False
    _told: list[Change] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def put(self, name: str, **attributes: str) -> None:
        """What a function of the region does."""
        self._set(name, {**key_of(name), **{one: {"S": value} for one, value in attributes.items()}})

    def delete(self, name: str) -> None:
        """What a function of the region does."""
        if name in self.rows:
            self._set(name, None)

    def changes(self) -> list[Change]:
        if self.gone:
            raise RegionGone(self.name)
        told, self._told = self._told, []
        return told

    def write(self, change: Change, known: Item | None) -> bool | None:
        self.before_write()
        name = change.key["k"]["S"]
        if not holds(unchanged(known, change), self.rows.get(name, {})):
            return None
        if change.item is None and name not in self.rows:
            return False
        self._set(name, change.item)
        return True

    def _set(self, name: str, item: Item | None) -> None:
        if item is None:
            del self.rows[name]
        else:
            self.rows[name] = item
        written = WrittenAt(round(self.clock() * 1000), self.name, next(self._numbers))
        self._told.append(Change(RowKey("t", (name,)), key_of(name), item, written))


def holds(condition: dict[str, Any], row: Item) -> bool:
    """Whether a row meets a condition of :func:`devkit.regions.tables.unchanged`."""
    names, values = condition["ExpressionAttributeNames"], condition.get("ExpressionAttributeValues", {})
    for part in condition["ConditionExpression"].split(" AND "):
        name, equals, value = part.partition(" = ")
        if equals:
            if row.get(names[name]) != values[value]:
                return False
        elif names[part.removeprefix("attribute_not_exists(").removesuffix(")")] in row:
            return False
    return True
