"""What replication knows of each row: which write holds where. The rules of DynamoDB's global tables, without I/O.

Global tables with eventual consistency judge each condition by the copy of the region that is written to, copy a row
after it was written, and let the later write win where two regions wrote one row. Rows are copied one by one: what one
transaction wrote arrives row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Item = Mapping[str, Any]
"""A row, or its key, as DynamoDB writes it: ``{"kid": {"S": "token-1"}}``."""


class WrittenAt(NamedTuple):
    """When and where a row was written: milliseconds since 1970, the region, the order within the region. Their order
    is the order of writes in every region."""

    milliseconds: int
    region: str
    number: int = 0


class RowKey(NamedTuple):
    """One row: the table's name, and the values of its key."""

    table: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A write. ``key`` are the key's attributes; ``item`` is the row after it, ``None`` where it was deleted."""

    row: RowKey
    key: Item
    item: Item | None
    written: WrittenAt


@dataclass(slots=True)
class _Copy:
    latest: Change | None = None
    """The write that holds: of all that are known here, the last."""
    there: Item | None = None
    """What the table has."""
    echoes: list[Item | None] = field(default_factory=list)
    """What replication wrote and the change stream has yet to tell, the oldest first."""


@dataclass(slots=True)
class RegionRows:
    """One region's copies of all rows, as far as its change stream told them."""

    _copies: dict[RowKey, _Copy] = field(default_factory=dict)

    def there(self, row: RowKey) -> Item | None:
        """What the region's table has, as far as it is known."""
        return self._of(row).there

    def holding(self) -> list[Change]:
        """Of each row the write that holds; those that were deleted are left out."""
        latest = (copy.latest for copy in self._copies.values())
        return [change for change in latest if change is not None and change.item is not None]

    def takes(self, change: Change) -> bool:
        """Whether another region's write is later than what holds here."""
        latest = self._of(change.row).latest
        return latest is None or change.written > latest.written

    def took(self, change: Change, *, told: bool) -> None:
        """Replication wrote this here. ``told``: the change stream is going to tell it."""
        copy = self._of(change.row)
        copy.latest, copy.there = change, change.item
        if told:
            copy.echoes.append(change.item)

    def saw(self, change: Change) -> bool:
        """The change stream told a write. Whether it is one of this region's functions that holds: others get it."""
        copy = self._of(change.row)
        if copy.echoes and copy.echoes[0] == change.item:
            del copy.echoes[0]
            return False
        if not copy.echoes:
            copy.there = change.item
        holds = self.takes(change)
        if holds:
            copy.latest = change
        return holds

    def misplaced(self, row: RowKey) -> Change | None:
        """The write that holds, where an earlier one lies over it in the table: two wrote at the same moment."""
        copy = self._of(row)
        return copy.latest if copy.latest is not None and copy.latest.item != copy.there else None

    def _of(self, row: RowKey) -> _Copy:
        return self._copies.setdefault(row, _Copy())
