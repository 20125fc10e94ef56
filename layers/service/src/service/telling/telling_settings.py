"""Settings of ``deliver_webhooks``; those of other functions are in :mod:`service.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.fallback_modes import WebhookAddresses
from service.settings import StackSettings
from service.settings_text import PARSER, one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverWebhooksSettings(StackSettings):
    """``deliver_webhooks``: the webhooks, the queue that it is fed by, and the one for what it gave up, both by their
    addresses. ``wrapping_key_id`` unseals webhooks' secrets; ``webhook_addresses`` says where they may lead."""

    webhooks_table: str
    webhook_queue: str
    missed_queue: str
    wrapping_key_id: str
    webhook_addresses: WebhookAddresses = field(
        default=WebhookAddresses.PUBLIC, metadata={PARSER: one_of(WebhookAddresses)}
    )
