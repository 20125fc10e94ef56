"""The attested keys with Apple's metric: read as keys are, noted in an attribute of its own.

A renewal writes other attributes of the row, and no condition of it looks at this one: neither takes back what the
other wrote. The row has room for it within the kilobyte that a renewal pays for.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.aws import to_item, write_conditionally
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey


@dataclass(frozen=True, slots=True)
class DynamoDBRiskNotes:
    """:class:`~service.receipts.exchange_one.KeysWithRisk` in DynamoDB."""

    attested_keys: DynamoDBAttestedKeys

    def find(self, key_id: str) -> EnrolledKey | None:
        """The key. Raises :class:`~service.errors.Unavailable`."""
        return self.attested_keys.find(key_id)

    def note_risk(self, key_id: str, app: str, metric: int, at: int) -> bool:
        """Note a metric that Apple said at ``at`` (Unix seconds) on a key, unless a later one is there. False when the
        key is gone, is of another app or another region, or has a later one. Raises
        :class:`~service.errors.Unavailable`, also when it met a renewal."""
        region = self.attested_keys.region
        # A write of another region's key could take back what its home writes at the same moment.
        at_home = " AND (attribute_not_exists(#region) OR #region = :region)" if region else ""
        values = {":risk": {"metric": metric, "at": at}, ":app": app, ":at": at, ":region": region or None}
        return write_conditionally(
            "dynamodb:UpdateItem attested_keys",
            self.attested_keys.client.update_item,
            TableName=self.attested_keys.table,
            Key={"key_id": {"S": key_id}},
            UpdateExpression="SET #risk = :risk",
            ConditionExpression=f"#app = :app AND (attribute_not_exists(#risk) OR #risk.#at < :at){at_home}",
            ExpressionAttributeNames={"#risk": "risk", "#app": "app", "#at": "at"}
            | ({"#region": "region"} if region else {}),
            ExpressionAttributeValues=to_item(values),
        )
