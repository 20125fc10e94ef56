"""An app's not-before: tokens minted earlier are refused by every relying party, and renewed by honest apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from .audit import AuditEntry, DynamoDBAudit
from .aws import error_code, from_item, to_item, unavailable_on_failure
from .revocations import TOKENS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The ``tokens`` rows of the revocations table. Both methods raise :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit | None = None

    def find(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        key = to_item({"app": app, "revoked": TOKENS})
        with unavailable_on_failure("dynamodb:GetItem revocations"):
            answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        moment: int | None = from_item(answer.get("Item", {})).get("not_before")
        return moment

    def refuse_older_tokens(self, app: str, *, by: str, now: float, entry: AuditEntry | None = None) -> int:
        """Refuse every token of an app that was minted up to now; its not-before, which never goes back. ``entry`` is
        written with it; there is none where nothing changes."""
        moment = int(now) + 1  # a token's time is whole seconds: those of this second are older, too
        stood = self.find(app)
        if stood is not None and stood >= moment:
            return stood
        row = {"app": app, "revoked": TOKENS, "not_before": moment, "at": int(now), "by": by}
        put: Any = {
            "TableName": self.table,
            "Item": to_item(row),
            "ConditionExpression": "attribute_not_exists(app) OR not_before <= :moment",
            "ExpressionAttributeValues": to_item({":moment": moment}),
        }
        with unavailable_on_failure("dynamodb:TransactWriteItems revocations"):
            try:
                self.client.transact_write_items(TransactItems=[{"Put": put}, *self._recording(entry)])
            except ClientError as error:
                codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
                if error_code(error) != "TransactionCanceledException" or "ConditionalCheckFailed" not in codes:
                    raise
                return self.find(app) or moment
        return moment

    def _recording(self, entry: AuditEntry | None) -> tuple[TransactWriteItemTypeDef, ...]:
        if entry is None:
            return ()
        if self.audit is None:
            raise TypeError("a change that is recorded needs the audit table")
        return (self.audit.adding(entry),)
