"""Until when operators declared apps to be under stress (:mod:`service.admission.strain`), in the apps' own rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.aws import DynamoDBClient, get_row, to_item
from service.errors import NotKnown, Overtaken
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact


@dataclass(frozen=True, slots=True)
class StressedApps:
    """Until when apps are declared to be under stress, in their own rows. Raises :class:`~service.errors.NotKnown`,
    :class:`~service.errors.Overtaken` and :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    apps_table: str
    audit: DynamoDBAudit

    def until(self, app: str) -> int:
        """Unix seconds; 0 where it never was."""
        row = get_row(self.client, self.apps_table, {"app": app}, called="apps")
        if row is None:
            raise NotKnown(f"No app called {app} is registered.")
        return int(row.get("stressed_until", 0))

    def declare(self, app: str, until: int, entry: AuditEntry) -> None:
        """Declare stress until then, together with the audit entry or not at all."""
        was = self.until(app)
        there = "stressed_until = :was" if was else "attribute_not_exists(stressed_until) OR stressed_until = :was"
        update = {
            "TableName": self.apps_table,
            "Key": to_item({"app": app}),
            "UpdateExpression": "SET stressed_until = :until",
            "ConditionExpression": f"attribute_exists(app) AND ({there})",
            "ExpressionAttributeValues": to_item({":until": until, ":was": was}),
        }
        parts: Any = {"app": {"Update": update}, "entry": self.audit.adding(entry)}
        what = "dynamodb:TransactWriteItems apps"
        if transact(self.client, parts, what=what, written=lambda: self.audit.has(entry)):
            raise Overtaken(f"Another operator changed {app} at this moment: try again.")
