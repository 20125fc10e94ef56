"""The policies table: per app, its policies by version, and which of them are in force.

Three kinds of rows under an app, told apart by the number they are sorted by: version 1, 2, 3 … is a policy, written
once and never changed; −1, −2, −3 … a proposal, likewise; 0 is the *head*, the only row that changes. It says which
versions are in force, and moves in one transaction with what it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from service.aws import from_item, to_item, unavailable_on_failure
from service.errors import Unavailable, Unreadable
from service.policies.rows import FACTS, HEAD, head_of, head_row, stored_of, stored_row, version_of
from service.policies.versions import PolicyHead, PolicyMove, PolicyVersion, StoredPolicy
from service.tables.audit import DynamoDBAudit
from service.tables.not_before import refusing_older_tokens
from service.transactions import transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ATTEMPTS: Final = 8
"""How often a move is tried that met another change of the app's not-before."""

MAX_HISTORY: Final = 500
"""Most versions of one list."""


class PolicyHeads(Protocol):
    """What judging reads. Both methods raise :class:`~service.errors.Unavailable`, also for rows that are damaged:
    less than the whole policy must not pass for it."""

    def head(self, app: str) -> PolicyHead:
        """What is in force for an app at this moment (a consistent read); version 0 where nothing was published."""
        ...

    def find(self, app: str, version: int) -> StoredPolicy | None:
        """A version with its documents."""
        ...


class Policies(PolicyHeads, Protocol):
    """The table as publishers see it. Every method raises :class:`~service.errors.Unavailable`."""

    def find_proposal(self, app: str, number: int) -> StoredPolicy | None:
        """A proposal with its documents, whether it still waits or not."""
        ...

    def history(self, app: str, *, limit: int = 50, before: int | None = None) -> tuple[PolicyVersion, ...]:
        """The versions of an app, newest first, at most ``limit``; those below ``before``, to go on."""
        ...

    def move(self, move: PolicyMove) -> bool:
        """Carry out a move. False when the head is no longer as it was read: nothing was written then."""
        ...

    def put_off(self, head: PolicyHead, not_before: int, *, who: str) -> None:
        """Refuse tokens of the app that are older than ``not_before`` (Unix seconds), which is later than the one that
        came with ``head``; the head says so too, if it still is the one in force."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBPolicies:
    """:class:`Policies` in DynamoDB. ``audit`` and the ``revocations`` table take part in moves; a process that only
    reads may do without."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None
    revocations: str = ""
    sleep: Callable[[float], None] = time.sleep

    def head(self, app: str) -> PolicyHead:
        row = self._get(app, HEAD)
        if row is None:
            return PolicyHead(app=app)
        with _readable():
            return head_of(row)

    def find(self, app: str, version: int) -> StoredPolicy | None:
        return self._stored(app, version) if version > 0 else None

    def find_proposal(self, app: str, number: int) -> StoredPolicy | None:
        return self._stored(app, -number) if number > 0 else None

    def history(self, app: str, *, limit: int = 50, before: int | None = None) -> tuple[PolicyVersion, ...]:
        limit = max(1, min(limit, MAX_HISTORY))
        with unavailable_on_failure("dynamodb:Query policies"):
            pages = self.client.get_paginator("query").paginate(
                TableName=self.table,
                KeyConditionExpression="app = :app AND version BETWEEN :first AND :last",
                ExpressionAttributeValues=to_item(
                    {":app": app, ":first": 1, ":last": 2**53 if before is None else max(1, before - 1)}
                ),
                # Without the documents: a page of them would be a megabyte.
                ProjectionExpression=", ".join(f"#{name}" for name in FACTS),
                ExpressionAttributeNames={f"#{name}": name for name in FACTS},
                ScanIndexForward=False,
                ConsistentRead=True,
                PaginationConfig={"MaxItems": limit, "PageSize": limit},
            )
            rows = [from_item(item) for page in pages for item in page["Items"]]
        with _readable():
            return tuple(version_of(row) for row in rows if before is None or row["version"] < before)

    def move(self, move: PolicyMove) -> bool:
        audit = self._audit()
        for _ in range(ATTEMPTS):
            failed = self._transact(self._parts(move), lambda: audit.has(move.entry))
            if not failed:
                return True
            if failed != {_TOKENS}:
                return False
            # Somebody refused older tokens at this moment: by a later time than ours, or an earlier one. Look again.
        raise Unavailable("dynamodb:TransactWriteItems policies: the app's not-before keeps changing")

    def put_off(self, head: PolicyHead, not_before: int, *, who: str) -> None:
        parts: dict[str, TransactWriteItemTypeDef] = {
            _HEAD: {
                "Update": {
                    "TableName": self.table,
                    "Key": to_item({"app": head.app, "version": HEAD}),
                    # The revision moves too: whoever read this row before must not write the earlier time back.
                    "UpdateExpression": "SET tokens_from = :moment, revision = revision + :one",
                    "ConditionExpression": "attribute_exists(app) AND tokens_from < :moment",
                    "ExpressionAttributeValues": to_item({":moment": not_before, ":one": 1}),
                }
            },
        }
        for _ in range(ATTEMPTS):
            refusing = self._refusing(head.app, not_before, at=not_before - 1, by=who)
            failed = self._transact({**parts, **refusing})
            if _HEAD in failed:
                parts = {}  # another change that took effect at once was later still
            if not failed or not (parts or refusing):
                return
        raise Unavailable("dynamodb:TransactWriteItems policies: the app's not-before keeps changing")

    def _parts(self, move: PolicyMove) -> dict[str, TransactWriteItemTypeDef]:
        head: Any = {
            "TableName": self.table,
            "Item": to_item(head_row(move.head)),
            "ConditionExpression": "attribute_not_exists(app)",
        }
        if move.read.revision:
            head["ConditionExpression"] = "revision = :read"
            head["ExpressionAttributeValues"] = to_item({":read": move.read.revision})
        parts: dict[str, TransactWriteItemTypeDef] = {
            _HEAD: {"Put": head},
            "entry": self._audit().adding(move.entry),
        }
        if move.added is not None:
            parts["added"] = self._adding(move.added, move.added.version.version)
        if move.proposed is not None:
            parts["proposed"] = self._adding(move.proposed, -move.proposed.version.version)
        if move.not_before is not None:
            parts |= self._refusing(move.head.app, move.not_before, at=int(move.entry.at), by=move.entry.who)
        return parts

    def _adding(self, policy: StoredPolicy, number: int) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self.table,
                "Item": to_item(stored_row(policy, number)),
                "ConditionExpression": "attribute_not_exists(app)",
            }
        }

    def _refusing(self, app: str, moment: int, *, at: int, by: str) -> dict[str, TransactWriteItemTypeDef]:
        """The parts that refuse older tokens: none when later ones are refused already."""
        return refusing_older_tokens(self.client, self.revocations, app, moment, at=at, by=by, name=_TOKENS)

    def _audit(self) -> DynamoDBAudit:
        if self.audit is None or not self.revocations:
            raise TypeError("policies that are changed need the audit and the revocations table")
        return self.audit

    def _transact(
        self, parts: Mapping[str, TransactWriteItemTypeDef], written: Callable[[], bool] | None = None
    ) -> set[str]:
        """Write all parts or nothing; the names of those whose condition failed, none when it is done."""
        if not parts:
            return set()
        what = "dynamodb:TransactWriteItems policies"
        return set(transact(self.client, parts, what=what, written=written, sleep=self.sleep))

    def _stored(self, app: str, number: int) -> StoredPolicy | None:
        row = self._get(app, number)
        if row is None:
            return None
        with _readable():
            return stored_of(row)

    def _get(self, app: str, number: int) -> dict[str, Any] | None:
        key = to_item({"app": app, "version": number})
        with unavailable_on_failure("dynamodb:GetItem policies"):
            item = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item")
        return None if item is None else from_item(item)


_HEAD: Final = "head"
_TOKENS: Final = "tokens"


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("a row of the policies table cannot be read") from error
