"""Where blocked keys stand in the revocations table: the newest of them can be read, however many there are.

A key's row lies in a partition of its own kind, ``*blocked/person`` or one of :data:`SHARDS` ``*blocked/rule/<n>``,
sorted by the time of the block. Rules block by the thousand, from many processes at once, so their rows are spread: one
partition takes a thousand writes a second ("Best practices for designing and using partition keys"). No app is called
like a partition: their names begin with a letter or a digit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from service.aws import DynamoDBClient, to_item, unavailable_on_failure

KEY: Final = "key:"
"""Begins the name of a row as older releases wrote it, under its app."""

PERSONS: Final = "*blocked/person"
RULES: Final = "*blocked/rule/"
SHARDS: Final = 16

BY_RULE: Final = "policy "
"""How ``by`` begins where a rule blocked a key, and never where a person did: that is an ARN."""

LISTED: Final = 86_400
"""Seconds that a blocked key is named in trust bundles: many times the longest life of a token, one hour."""

LONGEST_TOKEN_LIFE: Final = 4_200
"""Seconds after which no token is accepted any more: one hour, the most that template.yaml allows, and ten minutes."""

_PAGE: Final = 1_000
_READ_ON: Final = 1_000
"""Rows that are read of each partition, at most, below those whose keys may still hold tokens."""


class Place(NamedTuple):
    """The key of a row: partition and sort key."""

    app: str
    revoked: str

    def to_key(self) -> dict[str, Any]:
        """As DynamoDB takes it."""
        return to_item(self._asdict())


def place_of(key_id: str, *, at: int, by: str) -> Place:
    """Where a key stands that was blocked ``at`` (Unix seconds) ``by`` a rule or a person."""
    shard = sha256(key_id.encode("ascii", "replace")).digest()[0] % SHARDS
    partition = f"{RULES}{shard:02d}" if by.startswith(BY_RULE) else PERSONS
    return Place(partition, f"{at:012d}/{key_id}")


def listed_row(place: Place, *, app: str, at: int, until: int | None) -> dict[str, Any]:
    """The row of a key of ``app`` that is blocked since ``at`` and ``until`` (``None`` for good)."""
    return {**place._asdict(), "of": app, "until": until, "expires_at": listed_until(at=at, until=until)}


def listed_until(*, at: int, until: int | None) -> int:
    """When bundles may forget a key that was blocked ``at`` and is so ``until`` (Unix seconds; ``None`` for good): its
    last token has expired by then, or the block has ended and no token from before it is left."""
    return at + LISTED if until is None else min(at + LISTED, max(until, at + LONGEST_TOKEN_LIFE))


@dataclass(frozen=True, slots=True)
class BlockedKeys:
    """Reads the partitions, consistently."""

    client: DynamoDBClient
    table: str

    def newest(self, now: float, most: int) -> list[dict[str, Any]]:
        """Up to ``most`` rows of keys that bundles have to name at ``now``: those that persons blocked, then those that
        rules did, each the newest first. As :func:`~service.tables.revocations.statuses_of` takes them.

        How much is read depends on ``most``, and not on what the table holds. Raises
        :class:`~service.errors.Unavailable`.
        """
        rows = [row for row, _ in zip(self._live(PERSONS, now, by=""), range(most), strict=False)]
        rules = (self._live(f"{RULES}{shard:02d}", now, by=BY_RULE) for shard in range(SHARDS))
        newest = heapq.merge(*rules, key=lambda row: (row["at"], row["revoked"]), reverse=True)
        rows.extend(row for row, _ in zip(newest, range(most - len(rows)), strict=False))
        return rows

    def _live(self, partition: str, now: float, *, by: str) -> Iterator[dict[str, Any]]:
        beyond = 0
        for item in self._items(partition, int(now) - LISTED):
            at, _, key_id = item["revoked"]["S"].partition("/")
            if int(at) < now - LONGEST_TOKEN_LIFE:
                # Not one token of these keys is alive; naming them is more than is needed, so it must not cost much.
                beyond += 1
                if beyond > _READ_ON:
                    return
            expires_at = int(item["expires_at"]["N"])
            if expires_at > now:
                yield {
                    "app": item["of"]["S"],
                    "revoked": KEY + key_id,
                    "at": int(at),
                    "by": by,
                    "until": int(item["until"]["N"]) if "until" in item else None,
                    "expires_at": expires_at,
                }

    def _items(self, partition: str, since: int) -> Iterator[Mapping[str, Any]]:
        query: Any = {
            "TableName": self.table,
            "KeyConditionExpression": "app = :partition AND revoked >= :since",
            "ExpressionAttributeValues": to_item({":partition": partition, ":since": f"{max(since, 0):012d}"}),
            "ScanIndexForward": False,
            "ConsistentRead": True,
            "Limit": _PAGE,
        }
        while True:
            with unavailable_on_failure("dynamodb:Query revocations"):
                page = self.client.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
