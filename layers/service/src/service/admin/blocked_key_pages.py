"""Listing blocked keys, and unblocking those that one rule blocked.

The table of attested keys has no index of blocks, which every renewal would pay for; so these are scans, in pages that
end with the request's time. Each page says where to go on. A page that was begun again does no harm: a key that is let
in is no longer among the blocked ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from service.aws import DynamoDBClient, from_item, to_item, unavailable_on_failure
from service.deadline import require_time, seconds_left
from service.errors import NotKnown, Overtaken, Unavailable
from service.tables.attested_keys import KeyState
from service.tables.audit import AuditEntry, key_subject
from service.tables.blocked_keys import BY_RULE
from service.tables.blocking import SHOWN, DynamoDBBlocking, KeyStatus, status_of

MOST_LISTED: Final = 500
MOST_UNBLOCKED: Final = 200
"""Most keys that one call unblocks: each is a transaction of its own."""

_MOST_READ: Final = 20
"""Pages of a scan for one call: 20 MB at most."""

_KEPT: Final = 10.0
"""Seconds of a request that stay for the publication and the answer."""


@dataclass(frozen=True, slots=True)
class Page:
    """Keys that were found; ``after`` is where to go on, ``None`` at the end of the table. ``examined`` counts rows."""

    keys: tuple[KeyStatus, ...]
    after: str | None
    examined: int


@dataclass(slots=True)
class Unblocked:
    """What one call of :meth:`BlockedKeyPages.unblock_rule` did. ``changing`` are keys that were written at the same
    moment, and are as they were; ``after`` is where to go on, ``None`` when all was looked at."""

    keys: list[str] = field(default_factory=list)
    changing: list[str] = field(default_factory=list)
    after: str | None = None
    examined: int = 0


@dataclass(frozen=True, slots=True)
class BlockedKeyPages:
    """Blocked keys in DynamoDB. Both methods raise :class:`~service.errors.Unavailable` only where nothing was done
    yet: what was found or done before that is an answer that says where to go on."""

    client: DynamoDBClient
    attested_keys: str
    blocking: DynamoDBBlocking

    def page(
        self, *, now: float, app: str | None = None, rule: str | None = None, after: str | None = None, limit: int
    ) -> Page:
        """Up to ``limit`` keys whose block is active, of one app or rule where one is named, in no order."""
        found: list[KeyStatus] = []
        examined, place = 0, after
        for keys, place, read in self._scan(app, after):  # noqa: B007 - where it stopped is the answer
            examined += read
            for status in keys:
                if not _is_active(status, now) or (rule is not None and rule_of(status.blocked_by) != rule):
                    continue
                found.append(status)
                if len(found) == limit:
                    return Page(tuple(found), status.key_id, examined)
        return Page(tuple(found), place, examined)

    def unblock_rule(
        self, rule: str, *, who: str, now: float, why: str, app: str | None = None, after: str | None = None
    ) -> Unblocked:
        """Unblock the keys that ``rule`` blocked, in whatever version of the policy, each with an audit entry in its
        transaction. A block that a person placed stays, also one that comes at this moment."""
        page = self.page(now=now, app=app, rule=rule, after=after, limit=MOST_UNBLOCKED)
        done = Unblocked(after=page.after, examined=page.examined)
        place = after
        for status in page.keys:
            try:
                require_time("dynamodb:TransactWriteItems", _KEPT)
                self._unblock(status, who=who, now=now, why=why, rule=rule)
                done.keys.append(status.key_id)
            except Overtaken:
                done.changing.append(status.key_id)
            except NotKnown:
                pass  # forgotten meanwhile
            except Unavailable:
                if place == after and not done.keys:
                    raise
                done.after = place
                return done
            place = status.key_id
        return done

    def _unblock(self, status: KeyStatus, *, who: str, now: float, why: str, rule: str) -> None:
        entry = AuditEntry(
            subject=key_subject(status.key_id),
            at=now,
            who=who,
            action="unblock-key",
            why=why,
            details={"rule": rule, "blocked_by": status.blocked_by},
        )
        self.blocking.unblock(status.key_id, now=now, entry=entry, seen=status)

    def _scan(self, app: str | None, after: str | None) -> Iterator[tuple[list[KeyStatus], str | None, int]]:
        """Blocked keys by page, where the page ended, and how many rows it read."""
        names = {f"#{name}": name for name in SHOWN}
        condition = "#state = :blocked" + (" AND #app = :app" if app is not None else "")
        request: dict[str, Any] = {
            "TableName": self.attested_keys,
            "FilterExpression": condition,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item({":blocked": KeyState.BLOCKED.value, ":app": app}),
            "ConsistentRead": True,
        }
        place = after
        for number in range(_MOST_READ):
            if number and seconds_left() < _KEPT:
                return
            if place is not None:
                request["ExclusiveStartKey"] = {"key_id": {"S": place}}
            try:
                with unavailable_on_failure("dynamodb:Scan attested_keys"):
                    answer = self.client.scan(**request)
            except Unavailable:
                if not number:
                    raise
                return
            place = answer["LastEvaluatedKey"]["key_id"]["S"] if "LastEvaluatedKey" in answer else None
            yield [status_of(from_item(item)) for item in answer["Items"]], place, answer["ScannedCount"]
            if place is None:
                return


def rule_of(by: str) -> str:
    """The rule that placed a block, from ``policy 12: hooking-tool``; empty for a person's."""
    return by.partition(": ")[2] if by.startswith(BY_RULE) else ""


def _is_active(status: KeyStatus, now: float) -> bool:
    return status.blocked_until is None or status.blocked_until > now
