"""The endorsements table: what vendors publish and we must keep at hand, one row per feed. Today: one feed, Google's
attestation status list.

A row is replaced whole, by a conditional write on its revision, so readers see one list or the other and never a
mixture. DynamoDB allows 400 KB for a row; the list is kept compressed (49 KB become 9 KB), and a list that outgrows
:data:`MAX_STORED_BYTES` all the same is not stored: the last good one stays, and the alarm on its age says so in time.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from attestation.android.revocation import MAX_STATUS_LIST_BYTES

from service.aws import DynamoDBClient, get_row, put_row_if
from service.items.rows import from_row, to_row

ANDROID_STATUS: Final = "android-status"
"""The feed's name: Google's attestation status list."""

MAX_STORED_BYTES: Final = 380_000
"""Largest compressed list that is stored, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStatusList:
    """One row. ``content`` is the list as it was served, compressed by :func:`packed`; ``entries`` how many it has.

    ``fetched_at`` is when the vendor was last heard confirming the list, ``fresh_until`` until when it said that asking
    again is of no use, both Unix seconds. ``revision`` counts the writes of the row.
    """

    content: bytes = field(repr=False)
    entries: int
    etag: str | None = None
    fetched_at: int
    fresh_until: int
    revision: int


class StatusLists(Protocol):
    """The table, for one feed. Both methods raise :class:`~service.errors.Unavailable`."""

    def find(self) -> StoredStatusList | None:
        """The row, or ``None`` before the first fetch."""

    def replace(self, row: StoredStatusList) -> bool:
        """Store ``row`` in place of the revision before its own. False when another process was faster."""


@dataclass(frozen=True, slots=True)
class DynamoDBStatusLists:
    """:class:`StatusLists` in DynamoDB."""

    client: DynamoDBClient
    table: str
    feed: str = ANDROID_STATUS

    def find(self) -> StoredStatusList | None:
        # Half the price: every process reads the whole list again and again, and it changes once an hour.
        row = get_row(self.client, self.table, {"feed": self.feed}, called="endorsements", consistent=False)
        return None if row is None else from_row(StoredStatusList, row)

    def replace(self, row: StoredStatusList) -> bool:
        stored = to_row(row) | {"feed": self.feed}
        first, values = "attribute_not_exists(feed)", {":previous": row.revision - 1}
        if row.revision <= 1:
            return put_row_if(self.client, self.table, stored, first, called="endorsements")
        return put_row_if(self.client, self.table, stored, "revision = :previous", values, called="endorsements")


def packed(content: bytes) -> bytes:
    """The list, compressed for a row."""
    return zlib.compress(content, 9)


def unpacked(content: bytes) -> bytes:
    """The list of a row. Raises :class:`ValueError` for bytes that :func:`packed` did not make, or a list over the
    library's limit."""
    reader = zlib.decompressobj()
    try:
        whole = reader.decompress(content, MAX_STATUS_LIST_BYTES + 1)
    except zlib.error:
        raise ValueError("the stored status list cannot be unpacked") from None
    if not reader.eof:
        raise ValueError("the stored status list is cut off or too large")
    return whole
