"""An app's not-before: tokens minted earlier are refused by every relying party, and renewed by honest apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, get_row, to_item
from service.errors import Unavailable
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.revocations import NOT_BEFORES, TOKENS
from service.transactions import transact

_ATTEMPTS: Final = 5
_WHAT: Final = "dynamodb:TransactWriteItems revocations"


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The ``tokens`` rows of the revocations table. Both methods raise :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None

    def find(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        return _find(self.client, self.table, app)

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
                return moment
            # Another change refused older tokens just now: by a later time than ours, or an earlier one. Look again.
        raise Unavailable("the app's not-before keeps changing")


def refusing_older_tokens(
    client: DynamoDBClient, table: str, app: str, moment: int, *, at: int, by: str, name: str = "tokens"
) -> dict[str, TransactWriteItemTypeDef]:
    """The parts of a transaction that refuse an app's tokens from before ``moment`` (Unix seconds); none when later
    ones are refused already, because it never goes back. The part called ``name`` has the condition.

    The row lies twice in the table: under its app, where it is decided, and among those of all apps, where it is read.
    """
    stood = _find(client, table, app)
    if stood is not None and stood >= moment:
        return {}
    row = {"not_before": moment, "at": at, "by": by}
    return {
        name: {
            "Put": {
                "TableName": table,
                "Item": to_item({"app": app, "revoked": TOKENS, **row}),
                "ConditionExpression": "attribute_not_exists(app) OR not_before <= :moment",
                "ExpressionAttributeValues": to_item({":moment": moment}),
            }
        },
        f"{name} of all": {"Put": {"TableName": table, "Item": to_item({"app": NOT_BEFORES, "revoked": app, **row})}},
    }


def _find(client: DynamoDBClient, table: str, app: str) -> int | None:
    row = get_row(client, table, {"app": app, "revoked": TOKENS}, called="revocations")
    return None if row is None else row["not_before"]
