"""An app's not-before: tokens minted earlier are refused by every relying party, and renewed by honest apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from .aws import error_code, from_item, to_item, unavailable_on_failure
from .revocations import TOKENS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class NotBefore:
    """The ``tokens`` rows of the revocations table. Both methods raise :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def find(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        key = to_item({"app": app, "revoked": TOKENS})
        with unavailable_on_failure("dynamodb:GetItem revocations"):
            answer = self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True)
        moment: int | None = from_item(answer.get("Item", {})).get("not_before")
        return moment

    def refuse_older_tokens(self, app: str, *, by: str, now: float) -> int:
        """Refuse every token of an app that was minted up to now; its not-before, which never goes back."""
        stood, moment = (
            self.find(app),
            int(now) + 1,
        )  # a token's time is whole seconds: those of this second are older, too
        if stood is not None and stood >= moment:
            return stood
        row = {"app": app, "revoked": TOKENS, "not_before": moment, "at": int(now), "by": by}
        with unavailable_on_failure("dynamodb:PutItem revocations"):
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item=to_item(row),
                    ConditionExpression="attribute_not_exists(app) OR not_before <= :moment",
                    ExpressionAttributeValues=to_item({":moment": moment}),
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return self.find(app) or moment
        return moment
