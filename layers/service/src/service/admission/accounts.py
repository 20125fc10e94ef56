"""Where the accounts of queues are kept: one row of the ``tallies`` table, for all apps of the stack.

Processes that issue challenges read it beside requests, every few seconds each, and never for one: anyone may ask for
a challenge, and must not be able to sell us a read.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from service.admission.queue import WINDOW, Queue, Told
from service.admission.status import Admission
from service.aws import DynamoDBClient, get_row, put_row_if
from service.errors import Unreadable

_KEY: Final = {"bucket": "admission", "place": "accounts"}
_KEPT: Final = 86_400
_LARGEST: Final = 1024 * 1024
_LARGEST_PACKED: Final = 256 * 1024
"""Bytes of all queues as text, and as they are stored: the queues of hundreds of apps that are all flooded."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of each app after the window of number ``window`` (Unix seconds ÷ :data:`WINDOW`)."""

    window: int
    queues: Mapping[str, Queue] = field(default_factory=dict)
    revision: str = ""

    def age(self, now: float) -> float:
        """Seconds since the window ended."""
        return now - (self.window + 1) * WINDOW


class DamagedAccounts(Unreadable):
    """The row is there and cannot be read. ``revision`` is what it says of that, to write new accounts over it."""

    def __init__(self, revision: Any) -> None:
        super().__init__("the row of admissions in the tallies table cannot be read")
        self.revision = revision


class AccountRow(Protocol):
    """Where accounts are kept. Both raise :class:`~service.errors.Unavailable`."""

    def find_accounts(self) -> Accounts | None:
        """The newest accounts. Raises :class:`DamagedAccounts`."""
        ...

    def replace_accounts(self, accounts: Accounts) -> bool:
        """Replace the accounts of ``accounts.revision``; false where they have been replaced by another process."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBAccountRow:
    """:class:`AccountRow` in the tallies table."""

    client: DynamoDBClient
    table: str

    def find_accounts(self) -> Accounts | None:
        row = get_row(self.client, self.table, _KEY, called="tallies", consistent=False)
        return None if row is None else _accounts(row)

    def replace_accounts(self, accounts: Accounts) -> bool:
        item = {
            **_KEY,
            "revision": uuid.uuid4().hex[:16],
            "window": accounts.window,
            "queues": _packed(accounts.queues),
            "expires_at": (accounts.window + 1) * WINDOW + _KEPT,
        }
        unchanged = "revision = :read"
        if accounts.revision == "":
            unchanged += " OR attribute_not_exists(revision)"
        return put_row_if(self.client, self.table, item, unchanged, {":read": accounts.revision}, called="tallies")


def _packed(queues: Mapping[str, Queue]) -> bytes:
    """The queues as they are stored; the smallest are left out where there is no room for all."""
    kept = sorted(queues.items(), key=lambda each: each[1].waiting, reverse=True)
    while True:
        text = json.dumps({app: _rounded(queue) for app, queue in kept}, separators=(",", ":")).encode("ascii")
        packed = zlib.compress(text)
        if len(text) <= _LARGEST and len(packed) <= _LARGEST_PACKED:
            return packed
        kept = kept[: len(kept) * 3 // 4]


def _rounded(queue: Queue) -> Queue:
    """To a tenth of an app that waits: digits beyond that say nothing, and are most of the row."""
    return queue._replace(
        returning=tuple(round(waiting, 1) for waiting in queue.returning),
        told=tuple(one._replace(refused=round(one.refused, 1)) for one in queue.told),
    )


def _accounts(row: Mapping[str, Any]) -> Accounts:
    revision = row.get("revision", "")
    if type(revision) is not str:
        raise DamagedAccounts(revision)
    try:
        unpacker = zlib.decompressobj()
        queues = json.loads(unpacker.decompress(bytes(row["queues"]), _LARGEST))
        return Accounts(int(row["window"]), {app: _queue(*told) for app, told in queues.items()}, revision)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise DamagedAccounts(revision) from error


def _queue(status: Any, newcomers: Any, worth: Any, returning: Any, told: Any) -> Queue:
    admit, soonest, latest, share = status
    return Queue(
        Admission(float(admit), int(soonest), int(latest), float(share)),
        float(newcomers),
        float(worth),
        tuple(map(float, returning)),
        tuple(Told(float(refused), int(first), int(last)) for refused, first, last in told),
    )
