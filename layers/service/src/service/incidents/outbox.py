"""Changes that are to be told, in the ``incidents`` table until all who are told have taken them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, query_rows, to_item, unavailable_on_failure
from service.errors import Unreadable
from service.incidents.incident import Change, Happened, IncidentSink
from service.incidents.reader import CALLED
from service.incidents.rows import CHANGES, change_of
from service.incidents.sealing import MemberSeal

MAX_TOLD: Final = 200
"""Changes that a sink is handed in one run."""
MAX_WAITING: Final = 2_000
"""Changes that are read in one run: those that one sink does not take must not stand before what others wait for."""
MAX_FAILED: Final = 3
"""Failures by one sink, of changes of one kind, after which it is handed no more of that kind in a run."""

Failed = Callable[[str, Exception], None]
"""Is told that the sink of this name raised this."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The waiting changes. Everything raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    seal: MemberSeal

    def tell(self, sinks: Sequence[IncidentSink], *, now: float, failed: Failed) -> int:
        """Hand the oldest waiting changes to each sink that has not taken them, and forget those that all have; how
        many are told to all. A sink that fails keeps no other from being told, and gets the same changes again."""
        waiting = self.waiting()
        took: dict[str, set[str]] = {change.id: taken & {sink.name for sink in sinks} for change, taken in waiting}
        for sink in sinks:
            those = tuple(change for change, _ in waiting if sink.name not in took[change.id])[:MAX_TOLD]
            for change in _taken(sink, those, now, failed) if those else ():
                took[change.id].add(sink.name)
        told = 0
        for change, taken in waiting:
            if len(took[change.id]) == len({sink.name for sink in sinks}):
                self._forget(change)
                told += 1
            elif took[change.id] - taken:
                self._note(change, took[change.id])
        return told

    def waiting(self) -> list[tuple[Change, set[str]]]:
        """The oldest changes, each with the names of the sinks that took it."""
        more: dict[str, Any] = {"PaginationConfig": {"MaxItems": MAX_WAITING, "PageSize": MAX_TOLD}}
        rows = query_rows(self.client, self.table, "app = :app", {":app": CHANGES}, called=CALLED, **more)
        found = []
        for row in rows:
            try:
                found.append((change_of(row, self.seal), set(row.get("taken", ()))))
            except Unreadable:  # expires by itself; it must not stand in the way of all others
                continue
        return found

    def _forget(self, change: Change) -> None:
        with unavailable_on_failure(f"dynamodb:DeleteItem {CALLED}"):
            self.client.delete_item(TableName=self.table, Key=_key(change))

    def _note(self, change: Change, taken: set[str]) -> None:
        with unavailable_on_failure(f"dynamodb:UpdateItem {CALLED}"):
            self.client.update_item(
                TableName=self.table,
                Key=_key(change),
                UpdateExpression="SET taken = :taken",
                ConditionExpression="attribute_exists(place)",
                ExpressionAttributeValues=to_item({":taken": sorted(taken)}),
            )


def _taken(sink: IncidentSink, those: Sequence[Change], now: float, failed: Failed) -> Sequence[Change]:
    """What a sink took: all at once, or else each on its own. One that it cannot take would otherwise keep all others
    back for ever, and have those before it told again each minute."""
    try:
        sink.take(tuple(those), now)
    except Exception as error:  # of whatever kind: the other sinks are told all the same
        failed(sink.name, error)
    else:
        return those
    taken, failures = [], Counter[Happened]()
    for change in those if len(those) > 1 else ():
        if failures[change.what] >= MAX_FAILED:
            continue
        try:
            sink.take((change,), now)
        except Exception:  # it was told of above
            failures[change.what] += 1
        else:
            taken.append(change)
    return taken


def _key(change: Change) -> dict[str, Any]:
    return to_item({"app": CHANGES, "place": change.id})
