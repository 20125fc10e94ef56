"""Blocking one attested key: taken back at once, for a time or for good.

A block is one transaction over two tables: the key's own row, which refuses its renewals from that moment, and the
revocations table, which the next trust bundle is made from. Publishing that is the caller's next step.

Operators block by hand; a policy's ``@block`` rule does so by itself. What a rule does never shortens what a person
decided: an automatic block yields to every block that lasts at least as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from .attested_keys import KeyState
from .audit import AuditEntry, DynamoDBAudit
from .aws import error_code, from_item, to_item, unavailable_on_failure
from .revocations import KEY, listed_until

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NEVER: Final = 253_402_300_799
"""The end of the year 9999, in Unix seconds: when the row of a key that is blocked for good expires. TTL must not
delete it: the key, forgotten, could enrol again."""

MAX_REASON: Final = 200
MAX_BY: Final = 400
_ATTEMPTS: Final = 5
_SHOWN: Final = ("key_id", "app", "state", "blocked", "counter", "enrolled_at", "last_seen", "expires_at")
_STANDS: Final = "#blocked.#until >= :until OR (#state = :state AND attribute_not_exists(#blocked.#until))"


class BlockingRefused(Exception):
    """A block or unblock that cannot be done. The message is one sentence for an operator."""


class KeyNotKnown(BlockingRefused):
    """No such key."""


class KeyChanging(BlockingRefused):
    """The key was written at the same moment, again and again: the same call may succeed now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStanding:
    """What an operator sees of one key. Times are Unix seconds; ``blocked_until`` is ``None`` for a block for good.
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
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Blocking(Protocol):
    """What use cases ask for. Every method raises :class:`BlockingRefused` and
    :class:`~service.errors.Unavailable`; ``now`` is Unix seconds."""

    def show(self, key_id: str) -> KeyStanding:
        """One key."""
        ...

    def block(
        self,
        key_id: str,
        *,
        by: str,
        now: float,
        reason: str = "",
        seconds: int | None = None,
        entry: AuditEntry | None = None,
    ) -> KeyStanding:
        """Block a key on a person's word, for ``seconds`` or for good; a block that stands is replaced. ``entry`` is
        written with it or not at all."""
        ...

    def block_automatically(self, key_id: str, *, by: str, now: float, reason: str, seconds: int) -> bool:
        """Block a key on a rule's word. False when a block stands already that lasts as long or longer."""
        ...

    def unblock(self, key_id: str, *, now: float, entry: AuditEntry | None = None) -> KeyStanding:
        """Let a key renew again; it has a whole idle period to do so. ``entry`` is written with it or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBBlocking:
    """:class:`Blocking` in DynamoDB: the tables attested_keys and revocations, and the audit for a person's changes."""

    client: DynamoDBClient
    attested_keys: str
    revocations: str
    sleep: Callable[[float], None] = time.sleep
    audit: DynamoDBAudit | None = None

    def show(self, key_id: str) -> KeyStanding:
        return _standing(self._row(key_id))

    def block(
        self,
        key_id: str,
        *,
        by: str,
        now: float,
        reason: str = "",
        seconds: int | None = None,
        entry: AuditEntry | None = None,
    ) -> KeyStanding:
        if len(reason) > MAX_REASON:
            raise BlockingRefused(f"A reason of more than {MAX_REASON} characters is too long.")
        row = self._row(key_id)
        self._transact(*self._blocking(row, by=by, now=now, reason=reason, seconds=seconds), *self._recording(entry))
        return self.show(key_id)

    def block_automatically(self, key_id: str, *, by: str, now: float, reason: str, seconds: int) -> bool:
        row = self._row(key_id)
        update, put = self._blocking(row, by=by, now=now, reason=reason[:MAX_REASON], seconds=seconds)
        # In the condition, not only here: an operator may block for good between our reading and our writing.
        update["Update"]["ConditionExpression"] += f" AND NOT ({_STANDS})"
        update["Update"]["ExpressionAttributeNames"]["#until"] = "until"
        update["Update"]["ExpressionAttributeValues"][":until"] = to_item({"until": int(now) + seconds})["until"]
        try:
            self._transact(update, put)
        except KeyChanging:
            standing = self.show(key_id)  # and no such key, if it is gone
            until = standing.blocked_until
            if standing.state == KeyState.BLOCKED and (until is None or until >= int(now) + seconds):
                return False
            raise
        return True

    def unblock(self, key_id: str, *, now: float, entry: AuditEntry | None = None) -> KeyStanding:
        row = self._row(key_id)
        values = {":state": KeyState.ACTIVE.value, ":expires": int(now) + _idle(row), ":app": row["app"]}
        place = to_item({"app": row["app"], "revoked": KEY + key_id})
        self._transact(
            self._update(key_id, "SET #state = :state, #expires = :expires REMOVE #blocked", values),
            {"Delete": {"TableName": self.revocations, "Key": place}},
            *self._recording(entry),
        )
        return self.show(key_id)

    def _blocking(
        self, row: Mapping[str, Any], *, by: str, now: float, reason: str, seconds: int | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two parts of the transaction that blocks the key of ``row``."""
        moment, idle = int(now), _idle(row)
        until = None if seconds is None else moment + seconds
        why = {"at": moment, "until": until, "reason": reason, "by": by[:MAX_BY]}
        blocked = {name: value for name, value in {**why, "idle": idle}.items() if value is not None}
        values = {
            ":state": KeyState.BLOCKED.value,
            ":blocked": blocked,
            ":expires": NEVER if until is None else max(row["expires_at"], until + idle),
            ":app": row["app"],
        }
        place = {"app": row["app"], "revoked": KEY + row["key_id"]}
        listed = {**place, **why, "expires_at": listed_until(at=moment, until=until)}
        return (
            self._update(row["key_id"], "SET #state = :state, #blocked = :blocked, #expires = :expires", values),
            {"Put": {"TableName": self.revocations, "Item": to_item(listed)}},
        )

    def _recording(self, entry: AuditEntry | None) -> tuple[Any, ...]:
        if entry is None:
            return ()
        if self.audit is None:
            raise TypeError("a block that is recorded needs the audit table")
        return (self.audit.adding(entry),)

    def _row(self, key_id: str) -> dict[str, Any]:
        with unavailable_on_failure("dynamodb:GetItem attested_keys"):
            answer = self.client.get_item(
                TableName=self.attested_keys,
                Key={"key_id": {"S": key_id}},
                ConsistentRead=True,
                # Neither claims nor receipt: an operator's terminal has no need of them.
                ProjectionExpression=", ".join(f"#{name}" for name in _SHOWN),
                ExpressionAttributeNames={f"#{name}": name for name in _SHOWN},
            )
        if not answer.get("Item"):
            raise KeyNotKnown(f"No key {key_id[:64]} is known: it was never enrolled, or it was idle and forgotten.")
        return from_item(answer["Item"])

    def _update(self, key_id: str, expression: str, values: Mapping[str, object]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self.attested_keys,
                "Key": {"key_id": {"S": key_id}},
                "UpdateExpression": expression,
                "ConditionExpression": "app = :app",  # still there, and still that app's
                "ExpressionAttributeNames": {"#state": "state", "#blocked": "blocked", "#expires": "expires_at"},
                "ExpressionAttributeValues": to_item(values),
            }
        }

    def _transact(self, *parts: Any) -> None:
        for attempt in range(_ATTEMPTS):
            with unavailable_on_failure("dynamodb:TransactWriteItems"):
                try:
                    self.client.transact_write_items(TransactItems=list(parts))
                    return
                except ClientError as error:
                    if error_code(error) != "TransactionCanceledException":
                        raise
                    reasons: Any = error.response.get("CancellationReasons", ())
                    codes = {reason.get("Code") for reason in reasons}
                    if "ConditionalCheckFailed" in codes or attempt == _ATTEMPTS - 1:
                        raise KeyChanging("The key changed at this moment: try again.") from error
            self.sleep(0.05 * 2**attempt)  # it is renewing just now


def _idle(row: Mapping[str, Any]) -> int:
    """Seconds that the key may idle, as its last renewal was granted; kept in the row while it is blocked."""
    return int(row.get("blocked", {}).get("idle", row["expires_at"] - row["last_seen"]))


def _standing(row: Mapping[str, Any]) -> KeyStanding:
    blocked = row.get("blocked", {})
    return KeyStanding(
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
