"""The policies table: per app, its policies by version, and which of them are active.

Three kinds of rows under an app, told apart by the number they are sorted by: version 1, 2, 3 … is a policy, written
once, but that another root may sign it anew; −1, −2, −3 … a proposal; 0 is the *head*, the only row that moves. It
says which versions are active, and moves in one transaction with what it names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from attestation.appraisal.cohort import in_rollout

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, get_row, query_rows, to_item
from service.errors import Unavailable, Unreadable
from service.items.rows import from_row, to_row
from service.policies.digest import digest_of
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.not_before import refusing_older_tokens
from service.tables.paced.stored import StoredPacing
from service.transactions import transact

HEAD: Final = 0
"""The number of the head's row; no version has it."""

ATTEMPTS: Final = 8
"""How often a move is tried that met another change of the app's not-before."""

MAX_HISTORY: Final = 500
"""Most versions of one list."""


@unique
class Effect(StrEnum):
    """When a policy takes effect: for each key as it renews, or for all at once, because older tokens are refused."""

    NEXT_RENEWAL = "next-renewal"
    NOW = "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of an app's policy, without its documents. Written once.

    ``by`` is the ARN of its author, ``approved_by`` that of the second person, where one was needed. ``at`` is Unix
    seconds. ``rollout`` is the percentage that it started with. ``based_on`` is the latest version that its author saw;
    ``restores`` the version whose documents it brings back, for a rollback. ``digest`` identifies the documents.
    ``has_client`` says whether there is a client policy. A proposal has the same members; its ``version`` is the
    proposal's own number, and ``promotes`` the version whose rollout it would raise to ``rollout``. ``pacing`` is how
    older tokens are refused where it takes effect at once; ``None`` for all at once.
    """

    app: str
    version: int
    why: str
    by: str
    at: int
    effect: Effect
    rollout: int
    based_on: int
    digest: str
    has_client: bool
    restores: int | None = None
    promotes: int | None = None
    approved_by: str = ""
    pacing: StoredPacing | None = None

    def holding(self, appraisal: str, client: str, client_jws: str = "") -> StoredPolicy:
        """This version with its documents."""
        facts: dict[str, Any] = {name: getattr(self, name) for name in FACTS}
        return StoredPolicy(**facts, appraisal=appraisal, client=client, client_jws=client_jws)

    def to_record(self) -> dict[str, object]:
        """The members of this version, JSON-ready."""
        pacing = None if self.pacing is None else self.pacing.to_record()
        return {name: getattr(self, name) for name in FACTS} | {"effect": self.effect.value, "pacing": pacing}

    @property
    def client_version(self) -> int:
        """The number by which apps know its client policy; 0 when it has none."""
        return self.version if self.has_client else 0


FACTS: Final = tuple(member.name for member in fields(PolicyVersion))
"""What a list of versions shows of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy(PolicyVersion):
    """A version with its documents: Cedar text, JSON text, and the client policy as apps get it, signed (empty for
    none, and in a proposal: what one person alone wants must not exist with a signature)."""

    appraisal: str
    client: str
    client_jws: str = ""


class Canary(NamedTuple):
    """A version that is rolling out: active for ``rollout`` percent of an app's keys."""

    version: int
    rollout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyHead:
    """Which versions are active for an app. Version 0 is what holds where nothing was published.

    ``latest`` is the highest version that was ever published, ``stable`` the one that is active for all keys outside
    ``canary``, ``previous`` the one that was stable before it, ``withdrawn`` whether a rollback took that one back
    (``None`` in rows of older releases). ``proposal`` is the number of the proposal that waits
    for a second person, ``proposals`` how many there ever were. ``tokens_from`` (Unix seconds) is the not-before that
    came with the last change that took effect at once: no token judged by a policy of this head may be dated earlier,
    and none judged by an earlier head can be dated later. ``revision`` counts the changes of this row; at ``resigned``
    another root signed."""

    app: str
    latest: int = 0
    stable: int = 0
    previous: int | None = None
    withdrawn: bool | None = None
    canary: Canary | None = None
    proposal: int | None = None
    proposals: int = 0
    tokens_from: int = 0
    revision: int = 0
    resigned: int | None = None

    def active_for(self, install: str) -> int:
        """The version active for an install: a key_id, or the hash that names an install before it has a key."""
        if self.canary is not None and in_rollout(self.app, install, self.canary.rollout):
            return self.canary.version
        return self.stable


V = TypeVar("V", bound=PolicyVersion)


class PolicyMessage(NamedTuple):
    """A linter's message, and which ``document`` (``appraisal`` or ``client``) it is about."""

    document: str
    line: int
    severity: str
    code: str
    rule: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """One change of the active versions: from the head ``read`` to ``head``, written together with ``added`` (a
    new version), ``proposed`` (a new proposal) and the audit ``entry``, or not at all.

    ``not_before`` (Unix seconds) refuses older tokens of the app from then on, with ``pacing`` not all at once; it
    never goes back, and a trust bundle must be published. ``warnings`` are what checking found beside errors. A change
    that was made before has no entry.
    """

    read: PolicyHead
    head: PolicyHead
    entry: AuditEntry | None
    effect: Effect = Effect.NEXT_RENEWAL
    added: StoredPolicy | None = None
    proposed: StoredPolicy | None = None
    not_before: int | None = None
    pacing: StoredPacing | None = None
    warnings: tuple[PolicyMessage, ...] = ()


class PolicyHeads(Protocol):
    """What judging reads. Both methods raise :class:`~service.errors.Unavailable`, also for rows that are damaged, or
    whose documents are not those of their digest: less than the whole policy, or another one, must not pass for it."""

    def head(self, app: str) -> PolicyHead:
        """Which versions are active at this moment (a consistent read); version 0 where nothing was published."""

    def find(self, app: str, version: int) -> StoredPolicy | None:
        """A version with its documents."""


class Policies(PolicyHeads, Protocol):
    """The table as publishers see it. Every method raises :class:`~service.errors.Unavailable`."""

    def find_proposal(self, app: str, number: int) -> StoredPolicy | None:
        """A proposal with its documents, whether it still waits or not."""

    def history(self, app: str, *, limit: int = 50, before: int | None = None) -> tuple[PolicyVersion, ...]:
        """The versions of an app, newest first, at most ``limit``; those below ``before``, to go on."""

    def move(self, change: PolicyChange) -> bool:
        """Carry out a change. False when the head is no longer as it was read: nothing was written then."""

    def put_off(self, head: PolicyHead, not_before: int, *, who: str, pacing: StoredPacing | None = None) -> None:
        """Refuse tokens of the app that are older than ``not_before`` (Unix seconds), which is later than the one that
        came with ``head``; the head says so too, if it is still the current one. ``pacing`` is that of the change."""


@dataclass(frozen=True, slots=True)
class DynamoDBPolicies:
    """:class:`Policies` in DynamoDB. Moves need ``audit`` and the ``revocations`` table, and reading does not."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None
    revocations: str = ""
    sleep: Callable[[float], None] = time.sleep

    def head(self, app: str) -> PolicyHead:
        return self.read_head(app, self._get(app, HEAD))

    def read_head(self, app: str, row: Mapping[str, Any] | None) -> PolicyHead:
        """The head in its row, if there is one. Raises :class:`~service.errors.Unavailable`."""
        if row is None:
            return PolicyHead(app=app)
        with _readable():
            return _head_of(row)

    def find(self, app: str, version: int) -> StoredPolicy | None:
        return self._stored(app, version) if version > 0 else None

    def find_proposal(self, app: str, number: int) -> StoredPolicy | None:
        return self._stored(app, -number) if number > 0 else None

    def history(self, app: str, *, limit: int = 50, before: int | None = None) -> tuple[PolicyVersion, ...]:
        limit = max(1, min(limit, MAX_HISTORY))
        rows = query_rows(
            self.client,
            self.table,
            "app = :app AND version BETWEEN :first AND :last",
            {":app": app, ":first": 1, ":last": 2**53 if before is None else max(1, before - 1)},
            called="policies",
            # Without the documents: a page of them would be a megabyte.
            ProjectionExpression=", ".join(f"#{name}" for name in FACTS),
            ExpressionAttributeNames={f"#{name}": name for name in FACTS},
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": limit, "PageSize": limit},
        )
        with _readable():
            return tuple(_version_of(PolicyVersion, row) for row in rows if before is None or row["version"] < before)

    def move(self, change: PolicyChange) -> bool:
        audit, entry = self._audit(), change.entry
        if entry is None:
            raise TypeError("a change is written with its audit entry")
        for _ in range(ATTEMPTS):
            failed = self._transact(self._parts(change, entry), lambda: audit.has(entry))
            if not failed:
                return True
            if failed != {_TOKENS}:
                return False
            # Another change refused older tokens just now: by a later time than ours, or an earlier one. Look again.
        raise Unavailable("dynamodb:TransactWriteItems policies: the app's not-before keeps changing")

    def put_off(self, head: PolicyHead, not_before: int, *, who: str, pacing: StoredPacing | None = None) -> None:
        parts: dict[str, TransactWriteItemTypeDef] = {
            _HEAD: {
                "Update": {
                    "TableName": self.table,
                    "Key": to_item({"app": head.app, "version": HEAD}),
                    # The revision moves too: a process that read this row before must not write the earlier time back.
                    "UpdateExpression": "SET tokens_from = :moment, revision = revision + :one",
                    "ConditionExpression": "attribute_exists(app) AND tokens_from < :moment",
                    "ExpressionAttributeValues": to_item({":moment": not_before, ":one": 1}),
                }
            },
        }
        for _ in range(ATTEMPTS):
            refusing = self._refusing(
                head.app, not_before, at=not_before - 1, by=who, pacing=pacing, instead_of=head.tokens_from
            )
            failed = self._transact({**parts, **refusing})
            if _HEAD in failed:
                parts = {}  # another change that took effect at once was later still
            if not failed or not (parts or refusing):
                return
        raise Unavailable("dynamodb:TransactWriteItems policies: the app's not-before keeps changing")

    def sign_anew(self, head: PolicyHead, version: int, *, before: str, after: str, entry: AuditEntry) -> bool:
        """Put the client policy of a version under another root's signature. False when the head moved meanwhile."""
        moved: Any = {
            "TableName": self.table,
            "Key": to_item({"app": head.app, "version": HEAD}),
            "UpdateExpression": "SET resigned = :next, revision = :next",
            "ConditionExpression": "revision = :read",
            "ExpressionAttributeValues": to_item({":read": head.revision, ":next": head.revision + 1}),
        }
        signed: Any = {
            "TableName": self.table,
            "Key": to_item({"app": head.app, "version": version}),
            "UpdateExpression": "SET client_jws = :after",
            "ConditionExpression": "client_jws = :before",
            "ExpressionAttributeValues": to_item({":before": before, ":after": after}),
        }
        parts: Any = {_HEAD: {"Update": moved}, "version": {"Update": signed}, "entry": self._audit().adding(entry)}
        return not self._transact(parts, lambda: self._audit().has(entry))

    def _parts(self, change: PolicyChange, entry: AuditEntry) -> dict[str, TransactWriteItemTypeDef]:
        head: Any = {
            "TableName": self.table,
            "Item": to_item(_head_row(change.head)),
            "ConditionExpression": "attribute_not_exists(app)",
        }
        if change.read.revision:
            head["ConditionExpression"] = "revision = :read"
            head["ExpressionAttributeValues"] = to_item({":read": change.read.revision})
        parts: dict[str, TransactWriteItemTypeDef] = {
            _HEAD: {"Put": head},
            "entry": self._audit().adding(entry),
        }
        if change.added is not None:
            parts["added"] = self._adding(change.added, change.added.version)
        if change.proposed is not None:
            parts["proposed"] = self._adding(change.proposed, -change.proposed.version)
        if change.not_before is not None:
            parts |= self._refusing(
                change.head.app, change.not_before, at=int(entry.at), by=entry.who, pacing=change.pacing
            )
        return parts

    def _adding(self, policy: StoredPolicy, number: int) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self.table,
                "Item": to_item(_stored_row(policy, number)),
                "ConditionExpression": "attribute_not_exists(app)",
            }
        }

    def _refusing(self, app: str, moment: int, **more: Any) -> dict[str, TransactWriteItemTypeDef]:
        """The parts that refuse older tokens: none when later ones are refused already."""
        return refusing_older_tokens(self.client, self.revocations, app, moment, name=_TOKENS, **more)

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
            stored = _version_of(StoredPolicy, row)
            # The attack: an insider rewrites the documents in the table, and every process would judge by them, while
            # history, audit and ledger go on showing the digest of those that were published.
            if digest_of(stored.appraisal, stored.client) != stored.digest or stored.has_client != bool(stored.client):
                raise ValueError("the documents are not those that were published")
            return stored

    def _get(self, app: str, number: int) -> dict[str, Any] | None:
        return get_row(self.client, self.table, {"app": app, "version": number}, called="policies")


def _head_row(head: PolicyHead) -> dict[str, object]:
    return to_row(head, version=HEAD, canary=None if head.canary is None else head.canary._asdict())


def _stored_row(policy: StoredPolicy, number: int) -> dict[str, object]:
    documents = {"appraisal": policy.appraisal, "client": policy.client, "client_jws": policy.client_jws}
    return {**policy.to_record(), **documents, "version": number}


def _head_of(row: Mapping[str, Any]) -> PolicyHead:
    canary = row.get("canary")
    read = None if canary is None else Canary(canary["version"], canary["rollout"])
    return from_row(PolicyHead, row, canary=read)


def _version_of(kind: type[V], row: Mapping[str, Any]) -> V:
    pacing = None if row.get("pacing") is None else StoredPacing.of_record(row["pacing"])
    return from_row(kind, row, version=abs(row["version"]), effect=Effect(row["effect"]), pacing=pacing)


_HEAD: Final = "head"
_TOKENS: Final = "tokens"


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable("a row of the policies table cannot be read") from error
