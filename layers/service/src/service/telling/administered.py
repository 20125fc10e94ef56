"""What operators' changes of webhooks are made on."""

from __future__ import annotations

from dataclasses import dataclass

from service.fallback_modes import WebhookAddresses
from service.telling.deliveries import DynamoDBDeliveries
from service.telling.queues import SqsQueue
from service.telling.webhooks_table import WebhookChanges


@dataclass(frozen=True, slots=True, kw_only=True)
class AdministeredWebhooks:
    """The webhooks of the stack ``stack_name``, their deliveries, and the queue that ``deliver_webhooks`` is fed by."""

    changes: WebhookChanges
    deliveries: DynamoDBDeliveries
    queue: SqsQueue
    addresses: WebhookAddresses
    stack_name: str
