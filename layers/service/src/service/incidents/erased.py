"""Keys that were erased, as long as a detector may still remember them: no incident names one of them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from service.aws import DynamoDBClient, query_rows, to_item, unavailable_on_failure
from service.detection.finding import Finding

ERASED: Final = "!erased"
"""The partition of erased keys, each at the place of its id: no app has this name."""
REMEMBERED: Final = 100 * 86_400
"""Seconds after which nothing that a detector remembers is of before the erasure: pseudonyms of an epoch are used for
60 days, and a state lasts 40 more that nothing changes."""
_CALLED: Final = "incidents"


@dataclass(frozen=True, slots=True)
class ErasedKeys:
    """The rows in the table of incidents. Everything raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def add(self, key_id: str, now: float) -> None:
        """Remember that a key was erased."""
        with unavailable_on_failure(f"dynamodb:UpdateItem {_CALLED}"):
            self.client.update_item(
                TableName=self.table,
                Key=to_item({"app": ERASED, "place": key_id}),
                UpdateExpression="SET expires_at = :until",
                ExpressionAttributeValues=to_item({":until": int(now) + REMEMBERED}),
            )

    def kept_out(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings without the keys that were erased."""
        found = list(findings)
        if not any(finding.keys for finding in found):
            return found
        rows = query_rows(self.client, self.table, "app = :app", {":app": ERASED}, called=_CALLED)
        erased = {row["place"] for row in rows}
        return [replace(one, keys=tuple(key for key in one.keys if key not in erased)) for one in found]
