"""Deliveries: one event for one webhook, what became of it, and the event itself while it may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any, Final

from service.aws import DynamoDBClient, get_row, put_row_if, query_rows, to_item, write_conditionally
from service.errors import Unreadable
from service.items.rows import from_row, to_row
from service.telling.incident_event import Told

KEPT_SECONDS: Final = 30 * 86_400
"""For so long a delivery can be looked up and sent again."""

MOST_LISTED: Final = 100
_PLACE: Final = "deliveries/"
_DIGITS: Final = 14  # of milliseconds: entries sort by time for the next thousand years


@unique
class DeliveryState(StrEnum):
    """``WAITING`` for its first or its next attempt. ``MISSED``: nothing tries any more, until it is replayed."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook. ``entry`` puts those of a webhook in order of time; ``outcome`` is a status of HTTP or
    a reason of ours for why there was none; ``due`` when it is tried (again), in Unix seconds as all times."""

    uid: str
    entry: str
    event: str
    kind: str
    at: float
    state: DeliveryState
    attempts: int
    outcome: str
    due: float
    text: str = field(repr=False)

    def to_record(self) -> dict[str, object]:
        """What operators see."""
        return {
            "event": self.event,
            "type": self.kind,
            "at": self.at,
            "state": self.state.value,
            "attempts": self.attempts,
            "outcome": self.outcome,
            "due": self.due if self.state is DeliveryState.WAITING else None,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Some deliveries; ``next`` is the entry after which the following ones stand, empty where there may be none."""

    deliveries: tuple[Delivery, ...]
    next: str


def new_delivery(uid: str, told: Told, *, state: DeliveryState, outcome: str, now: float) -> Delivery:
    """A delivery that nothing was tried for yet."""
    return Delivery(
        uid=uid,
        entry=f"{_moment(told.at)}/{told.id}",
        event=told.id,
        kind=str(told.document["type"]),
        at=told.at,
        state=state,
        attempts=0,
        outcome=outcome,
        due=now,
        text=told.text,
    )


def _moment(at: float) -> str:
    return f"{max(0, round(at * 1_000)):0{_DIGITS}d}"


@dataclass(frozen=True, slots=True)
class DynamoDBDeliveries:
    """The deliveries, in the webhooks table. Every method raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def add(self, delivery: Delivery, *, now: float) -> bool:
        """Store a new one; false where there is one of its event already."""
        row = to_row(delivery, place=_PLACE + delivery.uid, state=delivery.state.value)
        row |= {"at": _thousandths(delivery.at), "due": _thousandths(delivery.due)}
        row["expires_at"] = int(now) + KEPT_SECONDS
        return put_row_if(self.client, self.table, row, "attribute_not_exists(place)", called="webhooks")

    def find(self, uid: str, entry: str) -> Delivery | None:
        """The delivery, or ``None`` where it expired or never was."""
        row = get_row(self.client, self.table, {"place": _PLACE + uid, "entry": entry}, called="webhooks")
        return None if row is None else _delivery_of(row)

    def note(self, seen: Delivery, *, state: DeliveryState, attempts: int, outcome: str, due: float) -> bool:
        """Write down what became of an attempt; false where another was written down since ``seen``."""
        return write_conditionally(
            "dynamodb:UpdateItem webhooks",
            self.client.update_item,
            TableName=self.table,
            Key=to_item({"place": _PLACE + seen.uid, "entry": seen.entry}),
            UpdateExpression="SET #state = :state, attempts = :attempts, outcome = :outcome, due = :due",
            ConditionExpression="#state = :seen AND attempts = :before",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=to_item(
                {
                    ":state": state.value,
                    ":attempts": attempts,
                    ":outcome": outcome,
                    ":due": _thousandths(due),
                    ":seen": seen.state.value,
                    ":before": seen.attempts,
                }
            ),
        )

    def between(self, uid: str, since: float, until: float, *, after: str = "") -> Page:
        """Those of events from ``since`` to before ``until``, oldest first: a page of at most :data:`MOST_LISTED`.
        ``after`` is the ``entry`` to go on from."""
        first, last = max(_moment(since), after), _moment(until)
        if last <= first:
            return Page((), "")  # DynamoDB refuses a range that ends before it begins
        rows = query_rows(
            self.client,
            self.table,
            "place = :place AND #entry BETWEEN :first AND :last",
            {":place": _PLACE + uid, ":first": first, ":last": last},
            called="webhooks",
            ExpressionAttributeNames={"#entry": "entry"},
            PaginationConfig={"MaxItems": MOST_LISTED + 1, "PageSize": MOST_LISTED + 1},
        )
        found = tuple(_delivery_of(row) for row in rows if row["entry"] != after)
        return Page(found[:MOST_LISTED], found[MOST_LISTED - 1].entry if len(rows) > MOST_LISTED else "")


def _thousandths(at: float) -> int:
    return round(at * 1_000)


def _delivery_of(row: Mapping[str, Any]) -> Delivery:
    try:
        state = DeliveryState(row["state"])
        return from_row(Delivery, row, state=state, at=row["at"] / 1_000, due=row["due"] / 1_000)
    except (KeyError, ValueError) as error:
        raise Unreadable("a row of webhooks cannot be read") from error
