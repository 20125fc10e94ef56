"""Blocking one attested key at once, for a time or permanently.

A block is one transaction over two tables: the key's own row, which refuses its renewals from that moment, and the
revocations table, which the next trust bundle is made from. Publishing that is the caller's next step.

Operators block by hand; a policy's ``@block`` rule does so by itself. What a rule does never shortens what a person
decided: an automatic block yields to every block that lasts at least as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from service.aws import DynamoDBClient, from_item, to_item, unavailable_on_failure
from service.errors import ChangeRefused, NotKnown, Overtaken
from service.items.rows import to_row
from service.tables.attested_keys import PUBLIC_KEY_OF, RECEIPT_OF, KeyState
from service.tables.audit import AuditEntry, DynamoDBAudit, blocks_subject
from service.tables.blocked_keys import BY_RULE, KEY, PERSONS, Place, listed_row, place_of
from service.transactions import transact

NEVER: Final = 253_402_300_799
"""The end of the year 9999, in Unix seconds: when the row of a key that is blocked for good expires. TTL must not
delete it: the key, forgotten, could enrol again."""

MAX_REASON: Final = 200
MAX_BY: Final = 400
_ATTEMPTS: Final = 5
ERASED: Final = (
    "public_key", "claims", "chain", "counter", "noted", "enrolment", "sealing", "home", "risk", "receipt",
    "apple_app_id",
)  # fmt: skip
"""What a key's row holds besides the block: erased of a blocked key, of which the rest must stay."""

SHOWN: Final = ("key_id", "app", "state", "blocked", "counter", "enrolled_at", "last_seen", "expires_at", "region")
"""What is read of a key's row for an operator: neither claims nor receipt."""

_UNCHANGED: Final = "app = :app AND #expires = :seen_expires AND #state = :seen_state"
_NAMES: Final = {"#state": "state", "#blocked": "blocked", "#expires": "expires_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """What an operator sees of one key. Times are Unix seconds; ``blocked_until`` is ``None`` for a permanent block.
    ``reason`` is why, ``blocked_by`` who: a person's identity, or ``policy 12: hooking-tool`` for a rule."""

    key_id: str
    app: str
    state: str
    enrolled_at: int
    last_seen: int
    expires_at: int
    blocked_at: int | None = None
    blocked_until: int | None = None
    reason: str = ""
    blocked_by: str = ""

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return to_row(self)


class Blocking(Protocol):
    """What a policy's rules ask for."""

    def block_automatically(self, key_id: str, *, by: str, now: float, reason: str, seconds: int) -> bool:
        """Block a key for a rule. False when there is a block already that lasts as long or longer. ``now`` is Unix
        seconds. Raises :class:`ChangeRefused` and :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was found of a key: ``known`` says that it had a row, ``blocked`` that a block stays in it."""

    known: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class DynamoDBBlocking:
    """:class:`Blocking` in DynamoDB: the tables attested_keys and revocations, and the audit for a person's changes.

    Every method raises :class:`ChangeRefused` and :class:`~service.errors.Unavailable`; ``now`` is Unix seconds. An
    ``entry`` is written with its change or not at all.
    """

    client: DynamoDBClient
    attested_keys: str
    revocations: str
    sleep: Callable[[float], None] = time.sleep
    audit: DynamoDBAudit | None = None
    receipts: str = ""
    """The table of receipts, for what erases keys."""
    require_home: Callable[[str], None] = lambda _home: None
    """Refuses a person's change of a key by the region that its row names."""

    def show(self, key_id: str) -> KeyStatus:
        """One key."""
        return status_of(self._row(key_id))

    def block(
        self,
        key_id: str,
        *,
        by: str,
        now: float,
        reason: str = "",
        seconds: int | None = None,
        entry: AuditEntry | None = None,
    ) -> KeyStatus:
        """Block a key for a person, for ``seconds`` or permanently; an existing block is replaced."""
        if len(reason) > MAX_REASON:
            raise ChangeRefused(f"A reason of more than {MAX_REASON} characters is too long.")

        def parts(row: Mapping[str, Any]) -> dict[str, Any]:
            return self._blocking(row, by=by, now=now, reason=reason, seconds=seconds)

        self._change(key_id, parts, entry)
        return self.show(key_id)

    def block_automatically(self, key_id: str, *, by: str, now: float, reason: str, seconds: int) -> bool:
        until = int(now) + seconds

        def parts(row: Mapping[str, Any]) -> dict[str, Any]:
            blocked = row.get("blocked", {})
            if row["state"] == KeyState.BLOCKED and blocked.get("until", until) >= until:
                return {}
            return self._blocking(row, by=by, now=now, reason=reason[:MAX_REASON], seconds=seconds)

        return self._change(key_id, parts)

    def unblock(
        self, key_id: str, *, now: float, entry: AuditEntry | None = None, seen: KeyStatus | None = None
    ) -> KeyStatus:
        """Let a key renew again; it has a whole idle period to do so. ``seen`` is the block that is meant: another one,
        placed meanwhile, stays (:class:`Overtaken`)."""

        def parts(row: Mapping[str, Any]) -> dict[str, Any]:
            if seen is not None and status_of(row) != seen:
                return {}
            values = {":state": KeyState.ACTIVE.value, ":expires": int(now) + _idle(row)}
            made = {
                "key": self._update(row, "SET #state = :state, #expires = :expires REMOVE #blocked", values),
                "listed by an older release": self._unlisting(Place(row["app"], KEY + key_id)),
            }
            place = _place(row)
            return made if place is None else {**made, "listed": self._unlisting(place)}

        # With ``seen`` it is one of the many that a rule blocked: they have one entry together, where they are let in.
        if not self._change(key_id, parts, entry, of_app=seen is None):
            raise Overtaken("The key was blocked anew, or let in, at this moment.")
        return self.show(key_id)

    def erase(self, key_id: str, *, now: float, entry: AuditEntry) -> Erasure:
        """Forget all that is kept of a key, in one transaction with ``entry``: its row, its receipt, its public key. Of
        a key that is blocked the block stays, and so does the entry of who placed it: else it could enrol again."""
        kept_apart: dict[str, Any] = {
            what: {"Delete": {"TableName": self.attested_keys, "Key": {"key_id": {"S": before + key_id}}}}
            for what, before in (("receipt", RECEIPT_OF), ("public key", PUBLIC_KEY_OF))
        }
        exchanged = {"TableName": self.receipts, "Key": {"key_id": {"S": key_id}}}
        kept_apart["exchanged receipt"] = {"Delete": exchanged}
        blocked = False

        def parts(row: Mapping[str, Any]) -> dict[str, Any]:
            nonlocal blocked
            blocked = _is_blocked(row, now)
            names = {f"#erased{index}": name for index, name in enumerate(ERASED)}
            if blocked:
                return {"key": self._update(row, f"REMOVE {', '.join(names)}", {}, names), **kept_apart}
            return {"key": self._deleting(row), **kept_apart}

        try:
            self._change(key_id, parts, entry, of_app=False)
        except NotKnown:
            if self.audit is not None:
                kept_apart["entry"] = self.audit.adding(entry)
            transact(self.client, kept_apart, what="dynamodb:TransactWriteItems", sleep=self.sleep)
            return Erasure(known=False, blocked=False)
        return Erasure(known=True, blocked=blocked)

    def _blocking(
        self, row: Mapping[str, Any], *, by: str, now: float, reason: str, seconds: int | None
    ) -> dict[str, Any]:
        """The parts of the transaction that blocks the key of ``row``."""
        moment, idle = int(now), _idle(row)
        until = None if seconds is None else moment + seconds
        stood, place = _place(row), place_of(row["key_id"], at=moment, by=by)
        if stood is not None and _is_blocked(row, now) and (by.startswith(BY_RULE) or stood.app == PERSONS):
            # It minted nothing since it was blocked: it stays where it stands, and a rule need not delete anything.
            place = stood
        since = int(place.revoked.partition("/")[0])
        why = {"at": moment, "until": until, "reason": reason, "by": by[:MAX_BY], "place": list(place), "idle": idle}
        values = {
            ":state": KeyState.BLOCKED.value,
            ":blocked": {name: value for name, value in why.items() if value is not None},
            ":expires": NEVER if until is None else max(row["expires_at"], until + idle),
        }
        listed = to_item(listed_row(place, app=row["app"], at=since, until=until))
        parts: dict[str, Any] = {
            "key": self._update(row, "SET #state = :state, #blocked = :blocked, #expires = :expires", values),
            "listed": {"Put": {"TableName": self.revocations, "Item": listed}},
        }
        if stood is not None and stood != place and not by.startswith(BY_RULE):
            parts["listed before"] = self._unlisting(stood)
        return parts

    def _unlisting(self, place: Place) -> dict[str, Any]:
        return {"Delete": {"TableName": self.revocations, "Key": place.to_key()}}

    def _row(self, key_id: str) -> dict[str, Any]:
        with unavailable_on_failure("dynamodb:GetItem attested_keys"):
            answer = self.client.get_item(
                TableName=self.attested_keys,
                Key={"key_id": {"S": key_id}},
                ConsistentRead=True,
                # Neither claims nor receipt: an operator's terminal has no need of them.
                ProjectionExpression=", ".join(f"#{name}" for name in SHOWN),
                ExpressionAttributeNames={f"#{name}": name for name in SHOWN},
            )
        if not answer.get("Item"):
            raise NotKnown(f"No key {key_id[:64]} is known: it was never enrolled, or it was idle and forgotten.")
        return from_item(answer["Item"])

    def _update(
        self,
        row: Mapping[str, Any],
        expression: str,
        values: Mapping[str, object],
        names: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        condition, seen = _as_read(row)
        return {
            "Update": {
                "TableName": self.attested_keys,
                "Key": {"key_id": {"S": row["key_id"]}},
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": {**_NAMES, **(names or {})},
                "ExpressionAttributeValues": to_item({**values, **seen}),
            }
        }

    def _deleting(self, row: Mapping[str, Any]) -> dict[str, Any]:
        condition, seen = _as_read(row)
        return {
            "Delete": {
                "TableName": self.attested_keys,
                "Key": {"key_id": {"S": row["key_id"]}},
                "ConditionExpression": condition,
                "ExpressionAttributeNames": _NAMES,
                "ExpressionAttributeValues": to_item(seen),
            }
        }

    def _change(
        self,
        key_id: str,
        parts_of: Callable[[Mapping[str, Any]], dict[str, Any]],
        entry: AuditEntry | None = None,
        *,
        of_app: bool = True,
    ) -> bool:
        """Carry out the parts for the key's row as it is, with ``entry`` or not at all; ``of_app``: it is an entry of
        the app, too. False where there are no parts."""
        audit = self.audit
        if entry is not None and audit is None:
            raise TypeError("a block that is recorded needs the audit table")
        written = None
        for attempt in range(_ATTEMPTS):
            row = self._row(key_id)
            if entry is not None:
                self.require_home(row.get("region", ""))
            parts = parts_of(row)
            if not parts:
                return False
            if entry is not None and audit is not None:
                parts["entry"] = audit.adding(entry)
                if of_app:
                    parts["entry of the app"] = audit.adding(_of_app(entry, row))
                written = partial(audit.has, entry)
            what = "dynamodb:TransactWriteItems"
            if not transact(self.client, parts, what=what, written=written, sleep=self.sleep):
                return True
            self.sleep(0.05 * 2**attempt)  # it is renewing just now, or another operator blocks it
        raise Overtaken("The key changed at this moment: try again.")


def _as_read(row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The condition, with its values, that a row is as it was read: after a faster change it is read again."""
    seen = {":app": row["app"], ":seen_expires": row["expires_at"], ":seen_state": row["state"]}
    if "blocked" not in row:
        return _UNCHANGED + " AND attribute_not_exists(#blocked)", seen
    return _UNCHANGED + " AND #blocked = :seen_blocked", {**seen, ":seen_blocked": row["blocked"]}


def _of_app(entry: AuditEntry, row: Mapping[str, Any]) -> AuditEntry:
    """The same entry for the app's timeline, which cannot ask for the entries of each of its keys."""
    return replace(entry, subject=blocks_subject(row["app"]), details={**entry.details, "key_id": row["key_id"]})


def _place(row: Mapping[str, Any]) -> Place | None:
    """Where a key that is or was blocked is listed."""
    blocked = row.get("blocked")
    if not blocked or "at" not in blocked:
        return None
    if "place" in blocked:
        return Place(*blocked["place"])
    return place_of(row["key_id"], at=blocked["at"], by=blocked.get("by", ""))  # as older rows are taken over


def _is_blocked(row: Mapping[str, Any], now: float) -> bool:
    until = row.get("blocked", {}).get("until")
    return row["state"] == KeyState.BLOCKED.value and (until is None or until > now)


def is_blocked(status: KeyStatus, now: float) -> bool:
    """Whether a block of a key is active."""
    return status.state == KeyState.BLOCKED.value and (status.blocked_until is None or status.blocked_until > now)


def _idle(row: Mapping[str, Any]) -> int:
    """Seconds that the key may idle, as its last renewal was granted; kept in the row while it is blocked."""
    return int(row.get("blocked", {}).get("idle", row["expires_at"] - row["last_seen"]))


def status_of(row: Mapping[str, Any]) -> KeyStatus:
    """What an operator sees of a key's row, of which :data:`SHOWN` was read."""
    blocked = row.get("blocked", {})
    return KeyStatus(
        key_id=row["key_id"],
        app=row["app"],
        state=row["state"],
        enrolled_at=row["enrolled_at"],
        last_seen=row["last_seen"],
        expires_at=row["expires_at"],
        blocked_at=blocked.get("at"),
        blocked_until=blocked.get("until"),
        reason=blocked.get("reason", ""),
        blocked_by=blocked.get("by", ""),
    )
