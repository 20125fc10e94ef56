"""An app's not-before: tokens minted earlier are refused by every relying party, and renewed by honest apps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, from_item, get_row, to_item
from service.errors import Unavailable
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.paced.stored import StoredEntry, StoredPacing, entries_in, with_entry
from service.tables.revocations import NOT_BEFORES, TOKENS
from service.transactions import transact

_ATTEMPTS: Final = 5
_WHAT: Final = "dynamodb:TransactWriteItems revocations"


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The ``tokens`` rows of the revocations table. Methods raise :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None

    def find(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        row = _find(self.client, self.table, app)
        return None if row is None else row["not_before"]

    def paced(self, app: str, now: float) -> tuple[StoredEntry, ...]:
        """The publications that still let older tokens of an app through at ``now``, the latest first."""
        row = _find(self.client, self.table, app)
        return () if row is None else entries_in(row, now)

    def refuse_older_tokens(self, app: str, *, by: str, now: float, entry: AuditEntry | None = None) -> int:
        """Refuse every token of an app that was minted up to now; its not-before, which never goes back. ``entry`` is
        written with it; there is none where nothing changes."""
        moment = int(now) + 1  # a token's time is whole seconds: those of this second are older, too
        audit = self.audit
        if entry is not None and audit is None:
            raise TypeError("a change that is recorded needs the audit table")
        for _ in range(_ATTEMPTS):
            parts = refusing_older_tokens(self.client, self.table, app, moment, at=int(now), by=by)
            if not parts:
                return self.find(app) or moment  # it never goes away
            if entry is not None and audit is not None:
                parts |= {"entry": audit.adding(entry)}
                failed = transact(self.client, parts, what=_WHAT, written=lambda: audit.has(entry))
            else:
                failed = transact(self.client, parts, what=_WHAT)
            if not failed:
                # Later than ours, where a paced publication of this second became a strict one.
                return int(from_item(parts["tokens"]["Put"]["Item"])["not_before"])
            # Another change refused older tokens just now: by a later time than ours, or an earlier one. Look again.
        raise Unavailable("the app's not-before keeps changing")


def refusing_older_tokens(
    client: DynamoDBClient,
    table: str,
    app: str,
    moment: int,
    *,
    at: int,
    by: str,
    name: str = "tokens",
    pacing: StoredPacing | None = None,
    instead_of: int | None = None,
) -> dict[str, TransactWriteItemTypeDef]:
    """The parts of a transaction that refuse an app's tokens from before ``moment`` (Unix seconds); none when later
    ones are refused already, because it never goes back. The part called ``name`` has the condition.

    With ``pacing``, not all at once, unless another change of the same second or a later one came before this.
    ``instead_of`` is the moment of a paced not-before that this one takes the place of.
    The row lies twice in the table: under its app, where it is decided, and among those of all apps, where it is read.
    """
    stood = _find(client, table, app)
    if stood is not None and stood["not_before"] >= moment and "paced" not in stood:
        return {}
    row = {**not_before_row(stood, moment, pacing, instead_of), "at": at, "by": by}
    condition, values = "attribute_not_exists(app) OR not_before <= :moment", {":moment": row["not_before"]}
    if "paced" in row:
        condition, values = _unchanged(stood)
    put: Any = {
        "TableName": table,
        "Item": to_item({"app": app, "revoked": TOKENS, **row}),
        "ConditionExpression": condition,
    }
    if values:
        put["ExpressionAttributeValues"] = to_item(values)
    of_all = to_item({"app": NOT_BEFORES, "revoked": app, **row})
    return {name: {"Put": put}, f"{name} of all": {"Put": {"TableName": table, "Item": of_all}}}


def not_before_row(
    stood: Mapping[str, Any] | None, moment: int, pacing: StoredPacing | None, instead_of: int | None = None
) -> dict[str, Any]:
    """What takes the place of the row ``stood``, of its members ``not_before`` and ``paced``."""
    before = 0 if stood is None else stood["not_before"]
    if before >= moment or pacing is None:
        # What stands may let tokens through that this change refuses, and it does not know of this one.
        return {"not_before": max(before, moment)}
    replaced = () if stood is None else entries_in(stood, moment)
    if replaced and replaced[0].start == instead_of:
        before = replaced[0].after  # what was refused before that
    return {"not_before": moment, "paced": with_entry(stood, StoredEntry(moment, before, pacing))}


def _unchanged(stood: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """A new entry says what was refused before it: that must be so when it is written, or tokens would be revived."""
    if stood is None:
        return "attribute_not_exists(app)", {}
    if "paced" not in stood:
        return "not_before = :stood AND attribute_not_exists(paced)", {":stood": stood["not_before"]}
    return "not_before = :stood AND paced = :paced", {":stood": stood["not_before"], ":paced": stood["paced"]}


def _find(client: DynamoDBClient, table: str, app: str) -> dict[str, Any] | None:
    return get_row(client, table, {"app": app, "revoked": TOKENS}, called="revocations")
