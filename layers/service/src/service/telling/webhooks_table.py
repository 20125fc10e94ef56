"""The webhooks table: one row for each webhook, and one for each event that was, or is to be, sent to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import (
    DynamoDBClient,
    TransactWriteItemTypeDef,
    get_row,
    query_rows,
    to_item,
    write_conditionally,
)
from service.errors import Overtaken, Unreadable
from service.items.rows import from_row, to_row
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.telling.webhook import Webhook, WebhookState
from service.transactions import transact

_PLACE: Final = "webhooks"
"""The partition of the webhooks themselves, which are few."""


@dataclass(frozen=True, slots=True)
class DynamoDBWebhooks:
    """The webhooks. Every method raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def all(self) -> tuple[Webhook, ...]:
        """Every webhook, by name."""
        rows = query_rows(self.client, self.table, "place = :place", {":place": _PLACE}, called="webhooks")
        return tuple(map(_webhook_of, rows))

    def find(self, name: str) -> Webhook | None:
        """The webhook of this name, or ``None``."""
        row = get_row(self.client, self.table, {"place": _PLACE, "entry": name}, called="webhooks")
        return None if row is None else _webhook_of(row)

    def disable(self, webhook: Webhook, because: str) -> bool:
        """Send it nothing more; false where it was changed or removed meanwhile."""
        return write_conditionally(
            "dynamodb:UpdateItem webhooks",
            self.client.update_item,
            TableName=self.table,
            Key=to_item({"place": _PLACE, "entry": webhook.name}),
            UpdateExpression="SET #state = :disabled, because = :because, revision = :next",
            ConditionExpression="uid = :uid AND revision = :revision",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues=to_item(
                {
                    ":disabled": WebhookState.DISABLED.value,
                    ":because": because,
                    ":uid": webhook.uid,
                    ":revision": webhook.revision,
                    ":next": webhook.revision + 1,
                }
            ),
        )


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """The same as operators change them: each change with its audit entry. All raise
    :class:`~service.errors.Overtaken` where the row is not what was ``seen``, and
    :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit
    stored: DynamoDBWebhooks

    def put(self, webhook: Webhook, entry: AuditEntry, *, seen: Webhook | None) -> None:
        """Store a webhook in place of ``seen``, the row as it was read."""
        item = to_row(webhook, place=_PLACE, entry=webhook.name, apps=list(webhook.apps), state=webhook.state.value)
        condition, values = _unchanged(seen)
        part: Any = {
            "Put": {"TableName": self.table, "Item": to_item(item), "ConditionExpression": condition, **values}
        }
        self._write(part, entry)

    def remove(self, webhook: Webhook, entry: AuditEntry) -> None:
        """Forget a webhook, its address and its secrets."""
        condition, values = _unchanged(webhook)
        key = to_item({"place": _PLACE, "entry": webhook.name})
        part: Any = {"Delete": {"TableName": self.table, "Key": key, "ConditionExpression": condition, **values}}
        self._write(part, entry)

    def _write(self, part: TransactWriteItemTypeDef, entry: AuditEntry) -> None:
        parts = {"webhook": part, "entry": self.audit.adding(entry)}
        what = "dynamodb:TransactWriteItems webhooks"
        if transact(self.client, parts, what=what, written=lambda: self.audit.has(entry)):
            raise Overtaken("This webhook was changed at the same moment.")


def _unchanged(seen: Webhook | None) -> tuple[str, dict[str, Any]]:
    if seen is None:
        return "attribute_not_exists(place)", {}
    values = to_item({":uid": seen.uid, ":revision": seen.revision})
    return "uid = :uid AND revision = :revision", {"ExpressionAttributeValues": values}


def _webhook_of(row: Mapping[str, Any]) -> Webhook:
    try:
        return from_row(Webhook, row, apps=tuple(row["apps"]), state=WebhookState(row["state"]))
    except (KeyError, ValueError) as error:
        raise Unreadable("a row of webhooks cannot be read") from error
