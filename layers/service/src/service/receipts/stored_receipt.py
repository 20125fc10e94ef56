"""One row of the receipts table, and when it is due next. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from hashlib import sha256
from typing import Final

from attestation.apple.receipt import Receipt
from attestation.reference_values import Environment

from service.items.rows import to_row

SHARDS: Final = 8
"""Queues of an app, so that no partition of the index has all of its writes."""
DAY: Final = 86_400
LIFE: Final = 90 * DAY
"""For how long Apple takes a receipt: field 21 of every one that was seen, 90 days after creation."""
KEPT: Final = 30 * DAY
"""For how long the row stays after that, with the last known value."""
LONGEST_MISSING: Final = 7 * DAY
"""Between two questions about a device of which Apple has no data: new attestations there bring it back, and nothing
says so but an answer."""
LONGEST_FAULT: Final = DAY
PENDING: Final = 60
"""Seconds after which a value that could not be noted on its key is noted again."""
_FIRST_FAULT: Final = 300


@unique
class Outcome(StrEnum):
    """How the last question ended. None of them loses a receipt: only ``READ`` replaces it."""

    NEW = "new"
    READ = "read"
    NOT_YET = "not-yet"
    NO_DATA = "no-data"
    UNAUTHORIZED = "unauthorized"
    BUSY = "too-many-requests"
    NOT_TAKEN = "bad-request"
    FAILED = "apple-unavailable"
    BAD_ANSWER = "answer-refused"
    UNVERIFIED = "receipt-refused"
    EXPIRED = "receipt-expired"
    GONE = "key-forgotten"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReceipt:
    """A receipt and its place in the queue. Times are Unix seconds, ``made_at`` milliseconds.

    ``due_at`` is ``None`` for one that is not asked about any more. ``made_at`` is the receipt's own creation time, 0
    while that is not verified; ``usable_until`` its expiration. ``risk_metric`` is the last known value, ``read_at``
    when Apple said it, ``earlier_metric`` the one before. ``noted`` is false while it is not on the key yet.
    ``misses`` and ``faults`` count what came instead of an answer, in a row. ``revision`` counts writes.
    """

    key_id: str
    app: str
    queue: str
    receipt: bytes = field(repr=False)
    made_at: int = 0
    usable_until: int
    due_at: int | None
    expires_at: int
    risk_metric: int | None = None
    earlier_metric: int | None = None
    read_at: int | None = None
    asked_at: int | None = None
    outcome: Outcome = Outcome.NEW
    noted: bool = True
    misses: int = 0
    faults: int = 0
    revision: int = 1

    def read(self, receipt: bytes, told: Receipt, *, now: float, interval: int) -> StoredReceipt:
        """After a new receipt, which was verified: it takes the old one's place. Due after ``interval`` seconds, not
        before Apple says, and in time for its expiration."""
        until = int(told.expiration_time if told.expiration_time is not None else told.creation_time + LIFE)
        earliest = max(now + interval, told.not_before or 0.0)
        moved = replace(self, usable_until=until, expires_at=until + KEPT)
        return replace(
            moved._after(Outcome.READ, now, earliest - now),
            receipt=receipt,
            made_at=round(told.creation_time * 1000),
            risk_metric=self.risk_metric if told.risk_metric is None else told.risk_metric,
            earlier_metric=self.risk_metric,
            read_at=int(told.creation_time),
            misses=0,
            faults=0,
        )

    def unnoted(self, now: float) -> StoredReceipt:
        """As it is, to be noted on its key in a minute; the time of the next question follows then."""
        return replace(self, noted=False, due_at=int(now) + PENDING)

    def settled(self, told: Receipt, *, now: float, interval: int) -> StoredReceipt:
        """After the value is on its key at last; ``told`` is what the receipt says."""
        due = max(told.creation_time + interval, told.not_before or 0.0, now)
        return replace(self._after(Outcome.READ, now, due - now), asked_at=self.asked_at, noted=True)

    def not_yet(self, *, now: float, not_before: float | None) -> StoredReceipt:
        """After "not modified": due when Apple's time has come, or in a day."""
        wait = not_before - now if not_before is not None and not_before > now else DAY
        return replace(self._after(Outcome.NOT_YET, now, wait), faults=0)

    def missed(self, *, now: float) -> StoredReceipt:
        """After "no data": the last known value stays. Due after one day, two, four, and then every week."""
        wait = min(LONGEST_MISSING, DAY << min(self.misses, 10))
        return replace(self._after(Outcome.NO_DATA, now, wait), misses=self.misses + 1, faults=0)

    def failed(self, outcome: Outcome, *, now: float) -> StoredReceipt:
        """After a fault of this question: due after five minutes, ten, and so on to a day. One receipt that Apple's
        server stumbles over stands in no other's way."""
        wait = min(LONGEST_FAULT, _FIRST_FAULT << min(self.faults, 10))
        return replace(self._after(outcome, now, wait), faults=self.faults + 1)

    def ended(self, outcome: Outcome, *, now: float) -> StoredReceipt:
        """Not asked about any more. The row stays until its time is over."""
        return replace(self, outcome=outcome, asked_at=int(now), due_at=None)

    def _after(self, outcome: Outcome, now: float, wait: float) -> StoredReceipt:
        """Due after ``wait`` seconds and up to a tenth more, so that what enrolled together does not stay together;
        but a day before the receipt expires once more, and never after that."""
        due = now + wait * (1 + spread(self.key_id, int(now)) / 10)
        last = self.usable_until - DAY
        if due > last:
            due = last if last > now else max(due, now + _FIRST_FAULT)
        usable = due < self.usable_until
        return replace(
            self,
            outcome=outcome if usable else Outcome.EXPIRED,
            asked_at=int(now),
            due_at=int(due) + 1 if usable else None,
        )


def row_of(receipt: StoredReceipt) -> dict[str, object]:
    """The row of the table."""
    return to_row(receipt, outcome=receipt.outcome.value)


def queue_of(app: str, app_id: str, environment: Environment, key_id: str) -> str:
    """The queue of a key: by app, by the prefix of Apple's app id, by environment, and by shard."""
    return queues_of(app, app_id[:10], environment)[sha256(key_id.encode()).digest()[0] % SHARDS]


def queues_of(app: str, prefix: str, environment: Environment) -> tuple[str, ...]:
    """All queues of an app with one prefix and environment."""
    return tuple(f"{app}#{prefix}#{environment.value}#{shard}" for shard in range(SHARDS))


def spread(key_id: str, salt: int) -> float:
    """A number from 0 to 1 that is always the same for the same key and salt."""
    return int.from_bytes(sha256(f"{key_id}/{salt}".encode()).digest()[:4]) / 2**32
