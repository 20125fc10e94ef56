"""The audit table: who changed what, when and why. Entries are added and read, never changed or taken away.

An entry is written in the same transaction as the change it tells of, wherever that change is one: there is then no
change without an entry, and no entry of a change that did not happen.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, query_rows, to_item, unavailable_on_failure
from service.items.rows import from_row, to_row

MAX_DETAIL: Final = 24_000
"""Most characters of one detail; what is longer is cut, and says so."""

MAX_DETAILS: Final = 16
MAX_WHO: Final = 2_048
"""Most characters of ``who``: the longest name that AWS gives a principal."""

MAX_ENTRIES: Final = 500
"""Most entries of one read."""

_CUT: Final = "\n… cut"


def app_subject(app: str) -> str:
    """The subject of everything about one app: its registration, its policies, its not-before."""
    return f"app/{app}"


def key_subject(key_id: str) -> str:
    """The subject of everything about one attested key."""
    return f"key/{key_id}"


def api_subject(audience: str) -> str:
    """The subject of everything about one guarded API."""
    return f"api/{audience}"


def blocks_subject(app: str) -> str:
    """The subject of what persons blocked and unblocked of one app: entries that stand under their key, too, whose
    subject does not say of which app it is."""
    return f"blocks/{app}"


def entry_name(at: float, what: str) -> str:
    """A name for what is no entry of the audit, and stands among entries by its time: always the same."""
    return f"{_moment(at)}/{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def rule_subject(rule: str) -> str:
    """The subject of unblocking all that one rule of a policy blocked."""
    return f"rule/{rule}"


def webhook_subject(name: str) -> str:
    """The subject of everything about one webhook."""
    return f"webhook/{name}"


STACK_SUBJECT: Final = "stack"
"""The subject of what concerns all apps: signing keys, the list of revoked Android keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change. ``subject`` is what was changed (:func:`app_subject` and its like), ``at`` Unix seconds, ``who`` the
    caller's ARN, ``action`` a slug such as ``publish-policy``, ``why`` the reason given.

    ``details`` are texts and numbers about the change, never a secret. ``entry`` puts entries of one subject in order
    and keeps two of one moment apart; it is drawn when the entry is made.
    """

    subject: str
    entry: str = ""
    at: float
    who: str
    action: str
    why: str = ""
    details: Mapping[str, str | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        details = {str(name)[:64]: _bounded(value) for name, value in list(self.details.items())[:MAX_DETAILS]}
        object.__setattr__(self, "details", details)
        object.__setattr__(self, "who", self.who[:MAX_WHO])
        object.__setattr__(self, "why", _bounded(self.why))
        if not self.entry:
            object.__setattr__(self, "entry", f"{_moment(self.at)}/{secrets.token_hex(6)}")


def _bounded(value: str | int) -> str | int:
    if not isinstance(value, str) or len(value) <= MAX_DETAIL:
        return value
    return value[: MAX_DETAIL - len(_CUT)] + _CUT


def _moment(at: float) -> str:
    """A time as a text that sorts like the time."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class DynamoDBAudit:
    """The entries. Every method that reads or writes raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def adding(self, entry: AuditEntry) -> TransactWriteItemTypeDef:
        """The part of a transaction that adds ``entry``."""
        return {
            "Put": {
                "TableName": self.table,
                "Item": _item(entry),
                "ConditionExpression": "attribute_not_exists(subject)",
            }
        }

    def add(self, entry: AuditEntry) -> None:
        """Write an entry by itself, for changes that are no transaction."""
        with unavailable_on_failure("dynamodb:PutItem audit"):
            self.client.put_item(
                TableName=self.table, Item=_item(entry), ConditionExpression="attribute_not_exists(subject)"
            )

    def has(self, entry: AuditEntry) -> bool:
        """Whether ``entry`` was written, and with it the change that it tells of: each is drawn for one attempt."""
        with unavailable_on_failure("dynamodb:Query audit"):
            found = self.client.query(
                TableName=self.table,
                KeyConditionExpression="subject = :subject AND #entry = :entry",
                ExpressionAttributeNames={"#entry": "entry"},
                ExpressionAttributeValues=to_item({":subject": entry.subject, ":entry": entry.entry}),
                ConsistentRead=True,
                Select="COUNT",
            )
        return found["Count"] > 0

    def newest(
        self,
        subject: str,
        *,
        limit: int = 50,
        before: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> tuple[AuditEntry, ...]:
        """The entries of a subject, newest first, at most ``limit``; those before the entry ``before``, to go on, and
        of a time from ``since`` to before ``until`` (Unix seconds)."""
        limit = max(1, min(limit, MAX_ENTRIES))
        ends = [text for text in (before, None if until is None else _moment(until)) if text is not None]
        first, last = None if since is None else _moment(since), min(ends) if ends else None
        if first is not None and last is not None and last < first:
            return ()  # DynamoDB refuses a range that ends before it begins
        values = {":subject": subject, ":before": last, ":since": first}
        names: Any = {"ExpressionAttributeNames": {"#entry": "entry"}}
        match (since, ends):
            case (None, []):
                condition, names = "subject = :subject", {}
            case (None, _):
                condition = "subject = :subject AND #entry < :before"
            case (_, []):
                condition = "subject = :subject AND #entry >= :since"
            case _:  # both ends of BETWEEN belong to it: no entry is called like a moment, but one like ``before``
                condition = "subject = :subject AND #entry BETWEEN :since AND :before"
        rows = query_rows(
            self.client,
            self.table,
            condition,
            values,
            called="audit",
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": limit + 1, "PageSize": limit + 1},
            **names,
        )
        return tuple(map(_entry_of, [row for row in rows if row["entry"] != before][:limit]))


def _item(entry: AuditEntry) -> dict[str, Any]:
    return to_item(to_row(entry, at=int(entry.at * 1_000), details=json.dumps(entry.details, separators=(",", ":"))))


def _entry_of(row: Mapping[str, Any]) -> AuditEntry:
    return from_row(AuditEntry, row, at=row["at"] / 1_000, details=json.loads(row["details"]))
