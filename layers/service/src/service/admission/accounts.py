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
_LARGEST: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of each app after the window of number ``window`` (Unix seconds ÷ :data:`WINDOW`)."""

    window: int
    queues: Mapping[str, Queue] = field(default_factory=dict)
    revision: str = ""

    def age(self, now: float) -> float:
        """Seconds since the window ended."""
        return now - (self.window + 1) * WINDOW


class AccountRow(Protocol):
    """Where accounts are kept. Both raise :class:`~service.errors.Unavailable`."""

    def find_accounts(self) -> Accounts | None:
        """The newest accounts."""
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
            "queues": zlib.compress(json.dumps(accounts.queues, separators=(",", ":")).encode("ascii")),
            "expires_at": (accounts.window + 1) * WINDOW + _KEPT,
        }
        unchanged = "revision = :read" if accounts.revision else "attribute_not_exists(revision)"
        values = {":read": accounts.revision} if accounts.revision else None
        return put_row_if(self.client, self.table, item, unchanged, values, called="tallies")


def _accounts(row: Mapping[str, Any]) -> Accounts:
    try:
        unpacker = zlib.decompressobj()
        queues = json.loads(unpacker.decompress(bytes(row["queues"]), _LARGEST))
        return Accounts(int(row["window"]), {app: _queue(*told) for app, told in queues.items()}, str(row["revision"]))
    except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as error:
        raise Unreadable("the row of admissions in the tallies table cannot be read") from error


def _queue(status: Any, newcomers: Any, worth: Any, returning: Any, told: Any) -> Queue:
    return Queue(
        Admission(*status),
        float(newcomers),
        float(worth),
        tuple(map(float, returning)),
        tuple(Told(*one) for one in told),
    )
