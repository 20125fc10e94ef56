"""Rows of the revocations table as older releases wrote them, taken over into the form that publishers read.

They wrote a blocked key as ``key:<key_id>`` under its app, so the table could only be read as a whole. For a day after
the first publication by this release, longer than any such row counts, and until a pass has seen the whole table, each
publication looks for them. It looks for a few seconds and goes on from there the next time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, from_item, get_row, put_row_if, to_item, unavailable_on_failure
from service.tables.blocked_keys import KEY, LISTED, listed_row, place_of
from service.telemetry.decisions import logger
from service.transactions import transact

TOKENS: Final = "tokens"
"""The name of the row that has an app's not-before, under the app."""

NOT_BEFORES: Final = "*tokens"
"""The partition of the copies of those rows, sorted by app: one query reads them all."""

PATIENCE: Final = 3.0
"""Seconds that one publication looks for rows of older releases."""

_MARK: Final = {"app": "*", "revoked": "older-rows"}
_OVERLAP: Final = 3_600
"""Seconds that functions of the older release may go on after the newer one has published."""

_TOGETHER: Final = 25
_WHAT: Final = "dynamodb:TransactWriteItems revocations"


@dataclass(frozen=True, slots=True)
class OlderRows:
    """Reads rows of the older form where they are, as long as there may be any."""

    client: DynamoDBClient
    table: str
    monotonic: Callable[[], float] = time.monotonic

    def read(self, now: float, not_befores: Mapping[str, int]) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
        """The times before which apps' tokens are refused, those of ``not_befores`` and later ones that were found; and
        live rows of the older form that name a key. Raises :class:`~service.errors.Unavailable`."""
        found, keys = dict(not_befores), list[Mapping[str, Any]]()
        if self._mark().get("done"):
            return found, keys
        ends_at, start = self.monotonic() + PATIENCE, None
        while True:
            page = self._page(start)
            for row in map(from_item, page["Items"]):
                if row["revoked"] == TOKENS:
                    found[row["app"]] = max(row["not_before"], found.get(row["app"], 0))
                elif row["revoked"].startswith(KEY) and row["expires_at"] > now:
                    keys.append(row)
            start = from_item(page["LastEvaluatedKey"]) if "LastEvaluatedKey" in page else None
            if start is None:
                return found, keys
            if self.monotonic() >= ends_at:
                logger().warning("rows of an older release are left to take over")
                return found, keys

    def _mark(self) -> dict[str, Any]:
        return get_row(self.client, self.table, _MARK, called="revocations") or {}

    def _page(self, start: Mapping[str, Any] | None) -> Any:
        more: Any = {} if start is None else {"ExclusiveStartKey": to_item(start)}
        with unavailable_on_failure("dynamodb:Scan revocations"):
            return self.client.scan(
                TableName=self.table,
                ConsistentRead=True,
                FilterExpression="NOT begins_with(app, :ours)",
                ExpressionAttributeValues=to_item({":ours": "*"}),
                **more,
            )


class OlderRevocations(OlderRows):
    """Takes rows over, by one pass after the other."""

    __slots__ = ()

    def take_over(self, now: float, not_befores: Mapping[str, int]) -> dict[str, int]:
        """Rewrite live rows of the older form; the times before which apps' tokens are refused, those of
        ``not_befores`` and later ones that were found. Raises :class:`~service.errors.Unavailable`."""
        found = dict(not_befores)
        mark = self._mark()
        if mark.get("done"):
            return found
        since, start = int(mark.get("since", now)), mark.get("start")
        ends_at = self.monotonic() + PATIENCE
        while True:
            page = self._page(start)
            rows = [from_item(item) for item in page["Items"]]
            self._move([row for row in rows if row["revoked"].startswith(KEY) and row["expires_at"] > now])
            for row in rows:
                if row["revoked"] == TOKENS and row["not_before"] > found.get(row["app"], 0):
                    found[row["app"]] = row["not_before"]
                    self._copy(row)
            start = from_item(page["LastEvaluatedKey"]) if "LastEvaluatedKey" in page else None
            if start is None or self.monotonic() >= ends_at:
                break
        if start is not None:
            logger().warning("rows of an older release are left to take over")
        # A pass that ends now began before; it counts as the last one when nothing can have been written behind it.
        done = start is None and now >= since + LISTED + _OVERLAP
        if done or start != mark.get("start") or not mark:
            self._put({**_MARK, "since": since, "start": start, "done": done or None})
        return found

    def _move(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Each row into its new place, unless it is gone: then the key was unblocked at this moment."""
        for begin in range(0, len(rows), _TOGETHER):
            together = rows[begin : begin + _TOGETHER]
            if self._moved(together):
                continue
            for row in together:
                self._moved([row])

    def _moved(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        parts: dict[str, Any] = {}
        for row in rows:
            key_id, at, until = row["revoked"].removeprefix(KEY), row["at"], row.get("until")
            new = listed_row(place_of(key_id, at=at, by=str(row.get("by", ""))), app=row["app"], at=at, until=until)
            old = {"app": row["app"], "revoked": row["revoked"]}
            parts[f"put {key_id}"] = {
                "Put": {
                    "TableName": self.table,
                    "Item": to_item(new),
                    "ConditionExpression": "attribute_not_exists(app)",  # prolonged since, by this release
                }
            }
            parts[f"delete {key_id}"] = {
                "Delete": {
                    "TableName": self.table,
                    "Key": to_item(old),
                    "ConditionExpression": "#at = :at",
                    "ExpressionAttributeNames": {"#at": "at"},
                    "ExpressionAttributeValues": to_item({":at": at}),
                }
            }
        return not transact(self.client, parts, what=_WHAT)

    def _copy(self, row: Mapping[str, Any]) -> None:
        copy = {**row, "app": NOT_BEFORES, "revoked": row["app"]}
        earlier = "attribute_not_exists(app) OR not_before < :moment"
        put_row_if(self.client, self.table, copy, earlier, {":moment": row["not_before"]}, called="revocations")

    def _put(self, row: Mapping[str, Any]) -> None:
        with unavailable_on_failure("dynamodb:PutItem revocations"):
            self.client.put_item(TableName=self.table, Item=to_item(row))
