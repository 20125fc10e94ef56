"""The receipts table: one row for each receipt, found by its key, or by its queue and due time through the index.

Beside them a row for each team and environment: who asks Apple at this moment, and how long Apple wants to be left
alone. A receipt is replaced on condition that it is still the one that was read; nothing here deletes one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

from service.aws import (
    DynamoDBClient,
    from_item,
    get_row,
    put_row_if,
    to_item,
    unavailable_on_failure,
    write_conditionally,
)
from service.errors import Unreadable
from service.items.rows import from_row
from service.receipts.stored_receipt import Outcome, StoredReceipt, row_of

DUE_INDEX: Final = "due"
_TEAM: Final = "team/"
_TEAM_SECONDS: Final = 30 * 86_400


class Due(NamedTuple):
    """A receipt that is due, and since when (Unix seconds)."""

    key_id: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ask Apple for one team and environment, until it is given back or its time is over. ``pauses`` is
    how often in a row a run ended because Apple wanted, or had, a pause."""

    team: str
    holder: str
    pauses: int


class Receipts(Protocol):
    """Where receipts are kept. Every method raises :class:`~service.errors.Unavailable`."""

    def due(self, queue: str, now: float, limit: int) -> Sequence[Due]:
        """Of one queue, what is due, the longest due first. May be a moment old."""
        ...

    def find(self, key_id: str) -> StoredReceipt | None:
        """The receipt of a key."""
        ...

    def replace(self, row: StoredReceipt, seen: StoredReceipt) -> bool:
        """Write ``row`` in place of ``seen``; false, and nothing written, when it changed meanwhile."""
        ...

    def lease(self, team: str, now: float, seconds: float) -> Lease | None:
        """The lease of a team and environment for so long, unless another holds it or there is a pause."""
        ...

    def give_back(self, lease: Lease, *, paused_until: float, pauses: int) -> None:
        """End a lease; there is no next one before ``paused_until`` (Unix seconds)."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBReceipts:
    """:class:`Receipts` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def add(self, row: StoredReceipt) -> bool:
        """Keep a receipt unless the key has one. Raises :class:`~service.errors.Unavailable`."""
        absent = "attribute_not_exists(key_id)"
        return put_row_if(self.client, self.table, row_of(row), absent, called="receipts")

    def due(self, queue: str, now: float, limit: int) -> Sequence[Due]:
        with unavailable_on_failure("dynamodb:Query receipts"):
            answer = self.client.query(
                TableName=self.table,
                IndexName=DUE_INDEX,
                KeyConditionExpression="#queue = :queue AND #due <= :now",
                ExpressionAttributeNames={"#queue": "queue", "#due": "due_at"},
                ExpressionAttributeValues=to_item({":queue": queue, ":now": int(now)}),
                Limit=limit,
            )
        return [Due(row["key_id"], row["due_at"]) for row in map(from_item, answer["Items"])]

    def find(self, key_id: str) -> StoredReceipt | None:
        row = get_row(self.client, self.table, {"key_id": key_id}, called="receipts")
        if row is None:
            return None
        try:
            return from_row(StoredReceipt, row, outcome=Outcome(row["outcome"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable("a row of receipts cannot be read") from error

    def replace(self, row: StoredReceipt, seen: StoredReceipt) -> bool:
        written = replace(row, revision=seen.revision + 1)
        same = {":seen": seen.revision, ":queue": seen.queue}
        # The queue as well: an enrolment that was forgotten and comes again begins at revision 1.
        return put_row_if(
            self.client,
            self.table,
            row_of(written),
            "revision = :seen AND #queue = :queue",
            same,
            called="receipts",
            ExpressionAttributeNames={"#queue": "queue"},
        )

    def lease(self, team: str, now: float, seconds: float) -> Lease | None:
        holder = str(uuid.uuid4())
        values = {":me": holder, ":until": int(now + seconds) + 1, ":now": int(now), ":ttl": int(now) + _TEAM_SECONDS}
        free = "(attribute_not_exists(leased_until) OR leased_until <= :now)"
        calm = "(attribute_not_exists(paused_until) OR paused_until <= :now)"
        taken = write_conditionally(
            "dynamodb:UpdateItem receipts",
            self.client.update_item,
            TableName=self.table,
            Key={"key_id": {"S": _TEAM + team}},
            UpdateExpression="SET holder = :me, leased_until = :until, expires_at = :ttl",
            ConditionExpression=f"{free} AND {calm}",
            ExpressionAttributeValues=to_item(values),
        )
        if not taken:
            return None
        row = self._team(team) or {}
        return Lease(team, holder, int(row.get("pauses", 0)))

    def give_back(self, lease: Lease, *, paused_until: float, pauses: int) -> None:
        values = {":me": lease.holder, ":zero": 0, ":until": int(paused_until), ":pauses": pauses}
        write_conditionally(  # where it does not hold, another has the lease by now: this one's time was over
            "dynamodb:UpdateItem receipts",
            self.client.update_item,
            TableName=self.table,
            Key={"key_id": {"S": _TEAM + lease.team}},
            UpdateExpression="SET leased_until = :zero, paused_until = :until, pauses = :pauses",
            ConditionExpression="holder = :me",
            ExpressionAttributeValues=to_item(values),
        )

    def _team(self, team: str) -> Mapping[str, Any] | None:
        return get_row(self.client, self.table, {"key_id": _TEAM + team}, called="receipts")
