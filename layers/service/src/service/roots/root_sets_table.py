"""Root sets in the policies table, under a name that no app can have: signed documents by version, like policies.

Version 1, 2, 3 … is a set, written once and never changed; −2, −3 … what one person proposed, until another one says
the same; 0 is the head, which says which version is the newest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, get_row, query_rows, to_item
from service.errors import Unreadable
from service.remembered import Remembered
from service.roots.root_set import StoredRootSet
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

ROOT_SETS: Final = "#root-sets"
"""The key of these rows in the place of an app's name, which has no such character."""

_HEAD: Final = 0
_MOST_SETS: Final = 1000
_FRESH, _FIRST = 0.5, 1.0


class RootSets(Protocol):
    """What serving reads. Raises :class:`~service.errors.Unavailable`."""

    def newest_version(self) -> int:
        """The version of the newest set; 0 while there is none but what apps were built with."""

    def find(self, version: int) -> StoredRootSet | None:
        """A set by its version."""


@dataclass(frozen=True, slots=True)
class DynamoDBRootSets:
    """:class:`RootSets` in DynamoDB. A process that only reads does without ``audit``."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None

    def newest_version(self) -> int:
        head = self._get(_HEAD)
        return 0 if head is None else int(head["latest"])

    def find(self, version: int) -> StoredRootSet | None:
        row = self._get(version)
        return None if row is None else _set_of(row)

    def newest(self) -> StoredRootSet | None:
        """The newest set."""
        version = self.newest_version()
        return self.find(version) if version else None

    def history(self) -> tuple[StoredRootSet, ...]:
        """All sets, the first one first."""
        values: dict[str, object] = {":app": ROOT_SETS, ":first": 1, ":last": _MOST_SETS}
        rows = query_rows(
            self.client, self.table, "app = :app AND version BETWEEN :first AND :last", values, called="policies"
        )
        return tuple(map(_set_of, rows))

    def propose(self, proposal: StoredRootSet, entry: AuditEntry) -> None:
        """Lay a set before a second person, in the place of what was proposed for its version before."""
        item = to_item(_row(proposal, -proposal.version))
        self._write({"proposal": {"Put": {"TableName": self.table, "Item": item}}}, entry)

    def add(self, made: StoredRootSet, before: StoredRootSet, entry: AuditEntry) -> bool:
        """Write the set after ``before``; false when another operator was faster, and nothing was written."""
        head: Any = {
            "TableName": self.table,
            "Item": to_item({"app": ROOT_SETS, "version": _HEAD, "latest": made.version}),
            "ConditionExpression": "latest = :before",
            "ExpressionAttributeValues": to_item({":before": before.version}),
        }
        parts: dict[str, Any] = {"set": self._adding(made), "head": {"Put": head}}
        if before.version == 1:  # what apps were built with was never written down
            parts["first"] = self._adding(before)
            head["ConditionExpression"] = "attribute_not_exists(app)"
            del head["ExpressionAttributeValues"]
        return self._write(parts, entry)

    def _adding(self, one: StoredRootSet) -> TransactWriteItemTypeDef:
        item = to_item(_row(one, one.version))
        return {"Put": {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(app)"}}

    def _write(self, parts: Mapping[str, TransactWriteItemTypeDef], entry: AuditEntry) -> bool:
        audit = self.audit
        if audit is None:
            raise TypeError("root sets that are changed need the audit")
        return not transact(
            self.client,
            {**parts, "entry": audit.adding(entry)},
            what="dynamodb:TransactWriteItems policies",
            written=lambda: audit.has(entry),
        )

    def _get(self, version: int) -> dict[str, Any] | None:
        return get_row(self.client, self.table, {"app": ROOT_SETS, "version": version}, called="policies")


@dataclass(slots=True)
class ServedRootSets:
    """Transitions as apps get them, from memory where possible: none ever changes, and which one is the newest is
    looked up once a second."""

    table: RootSets
    _newest: Remembered[int] = field(init=False, repr=False)
    _transitions: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._newest = Remembered(read=lambda _known, _now: self.table.newest_version(), fresh=_FRESH, first=_FIRST)

    def served(self, version: int, now: float) -> str:
        """The transition to ``version``; empty where there is none. Raises :class:`~service.errors.Unavailable`."""
        if version > self._newest.current(now):
            return ""
        if version not in self._transitions:
            found = self.table.find(version)
            if found is None:
                raise Unreadable(f"root set {version} is missing")
            self._transitions[version] = found.jws
        return self._transitions[version]


def _row(one: StoredRootSet, number: int) -> dict[str, object]:
    members = {"roots": list(one.roots), "by": one.by, "why": one.why, "at": one.at, "jws": one.jws}
    return {"app": ROOT_SETS, "version": number, **members}


def _set_of(row: Mapping[str, Any]) -> StoredRootSet:
    try:
        return StoredRootSet(
            version=abs(row["version"]),
            roots=tuple(row["roots"]),
            by=row["by"],
            why=row["why"],
            at=row["at"],
            jws=row["jws"],
        )
    except (KeyError, TypeError) as error:
        raise Unreadable("a root set in the policies table cannot be read") from error
