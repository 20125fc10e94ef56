"""The nonces table: challenges that were redeemed. A row means spent; there is nothing else to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, get_row, to_item

KEPT_AFTER_EXPIRY: Final = 3600
"""Seconds a row outlives its challenge before TTL may delete it. A host whose clock lags still takes the challenge for
fresh; the row must be there then."""


@dataclass(frozen=True, slots=True)
class DynamoDBNonces:
    """Spent nonces in DynamoDB."""

    client: DynamoDBClient
    table: str

    def spending(self, nonce: str, *, expires_at: float) -> TransactWriteItemTypeDef:
        """The part of a transaction that spends ``nonce``, and fails it when that was done before.

        ``expires_at`` is the challenge's, in Unix seconds; it is checked in code, the attribute only cleans up.
        """
        return {
            "Put": {
                "TableName": self.table,
                "Item": to_item({"nonce": nonce, "expires_at": int(expires_at) + KEPT_AFTER_EXPIRY}),
                "ConditionExpression": "attribute_not_exists(nonce)",
            }
        }

    def is_spent(self, nonce: str) -> bool:
        """Whether ``nonce`` was spent. Explains a refusal, never decides: use cases spend, they do not ask."""
        return get_row(self.client, self.table, {"nonce": nonce}, called="nonces") is not None
