"""The budgets table: what each key and each app has used of each upstream, in each window.

A call reserves before it is made, by one conditional write for its key and one for its app, whose counter is cut into
shards (:meth:`~service.relay.budget_windows.Allowance.shares`). What it asks for at most is reserved; afterwards the
difference to what it used is given back, or taken. A call that ends without saying what it used keeps its reservation,
and so does one whose function died. Keys of rows hold the app, so that enrolling again gives a device a new budget of
its own and the app none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import randbelow
from typing import Any, Final, NamedTuple, Protocol

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, to_item, write_conditionally
from service.relay.budget_windows import Allowance, Share
from service.relay.reasons import RelayReason, RelayRefused
from service.transactions import transact

KEPT_AFTER_WINDOW: Final = 86_400
_REMEMBERED_FULL: Final = 2.0
_MOST_REMEMBERED: Final = 256


class Reservation(NamedTuple):
    """What was reserved: the rows that hold it, and the units in each."""

    rows: tuple[str, ...]
    units: int


class Budgets(Protocol):
    """Where calls are paid for. Both methods raise :class:`~service.errors.Unavailable`."""

    def reserve(
        self, *, upstream: str, app: str, key_id: str, per_key: Allowance, per_app: Allowance, units: int,
        most_units: int, now: float,
    ) -> Reservation:  # fmt: skip
        """Pay for one request and ``units``, from both budgets or from none. Raises :class:`RelayRefused`:
        ``budget-of-key`` or ``budget-of-app``, with the seconds until the next window."""

    def settle(self, reservation: Reservation, used: int) -> None:
        """Correct what was reserved to what was used, which may be more."""


@dataclass(frozen=True, slots=True)
class DynamoDBBudgets:
    """:class:`Budgets` in DynamoDB."""

    client: DynamoDBClient
    table: str
    _full: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)

    def reserve(
        self, *, upstream: str, app: str, key_id: str, per_key: Allowance, per_app: Allowance, units: int,
        most_units: int, now: float,
    ) -> Reservation:  # fmt: skip
        of_key = _row(f"key#{app}#{key_id}", upstream, per_key, now)
        of_app = _row(f"app#{app}", upstream, per_app, now)
        # An app that was over budget a moment ago is not asked for again on all its shards by every device it has. A
        # smaller ask is: else one device could keep all others out by asking for too much, which costs it nothing.
        until, least = self._full.get(of_app, (0.0, 0))
        if until > now and units >= least:
            raise _over(RelayReason.BUDGET_OF_APP, per_app, now)
        if not self._take(of_key, Share(per_key.requests, per_key.units), units, per_key, now):
            raise _over(RelayReason.BUDGET_OF_KEY, per_key, now)
        shares = per_app.shares(most_units)
        first = randbelow(len(shares))
        for number in (*range(first, len(shares)), *range(first)):
            shard = f"{of_app}#{number}"
            if self._take(shard, shares[number], units, per_app, now):
                return Reservation((of_key, shard), units)
        self._correct((of_key,), {":requests": -1, ":units": -units})
        if len(self._full) >= _MOST_REMEMBERED:
            self._full.clear()
        self._full[of_app] = now + _REMEMBERED_FULL, units
        raise _over(RelayReason.BUDGET_OF_APP, per_app, now)

    def settle(self, reservation: Reservation, used: int) -> None:
        if used != reservation.units:
            self._correct(reservation.rows, {":requests": 0, ":units": used - reservation.units})

    def _take(self, row: str, share: Share, units: int, allowance: Allowance, now: float) -> bool:
        """Count one request and its units in a row, where the share has room for both."""
        values: dict[str, object] = {
            ":requests": 1,
            ":units": units,
            ":end": allowance.window.around(now)[1] + KEPT_AFTER_WINDOW,
            ":requests_room": share.requests - 1,
        }
        room = "requests <= :requests_room"
        if share.units is not None:
            if units > share.units:
                return False
            values[":units_room"] = share.units - units
            room += " AND units <= :units_room"
        return write_conditionally(
            "dynamodb:UpdateItem budgets",
            self.client.update_item,
            TableName=self.table,
            Key=to_item({"budget": row}),
            UpdateExpression="ADD requests :requests, units :units SET expires_at = :end",
            ConditionExpression=f"attribute_not_exists(budget) OR ({room})",
            ExpressionAttributeValues=to_item(values),
        )

    def _correct(self, rows: Sequence[str], change: Mapping[str, Any]) -> None:
        """Add to rows that were counted in before, once, however often it is tried: for ten minutes DynamoDB knows by
        its token a transaction that it has carried out. The attack: a plain update whose answer is lost is sent again,
        and gives back twice what one call reserved.
        """
        parts: dict[str, TransactWriteItemTypeDef] = {
            row: {
                "Update": {
                    "TableName": self.table,
                    "Key": to_item({"budget": row}),
                    "UpdateExpression": "ADD requests :requests, units :units",
                    "ConditionExpression": "attribute_exists(budget)",  # TTL took it: that window is long over
                    "ExpressionAttributeValues": to_item(change),
                }
            }
            for row in rows
        }
        transact(self.client, parts, what="dynamodb:TransactWriteItems budgets")


def _row(whose: str, upstream: str, allowance: Allowance, now: float) -> str:
    return f"{whose}#{upstream}#{allowance.window}#{allowance.window.around(now)[0]}"


def _over(reason: RelayReason, allowance: Allowance, now: float) -> RelayRefused:
    return RelayRefused(reason, f"over the {allowance.window}'s budget", retry_after=allowance.retry_after(now))
