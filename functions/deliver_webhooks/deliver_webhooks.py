"""Sends what is told of incidents to a team's webhooks, after Standard Webhooks.

Invoked by Lambda with messages of the webhook queue. An event becomes one delivery for each webhook that wants it; a
delivery is tried until it arrives, for a day and more. What must come again is named in the answer, and only that: it
was hidden in the queue until then, or comes when the queue's own time is over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from service.aws import dynamodb, kms, queues
from service.deadline import require_time, time_of_invocation, within
from service.errors import Unavailable
from service.keys.kms import KmsWrappingKey
from service.settings import read_settings
from service.telemetry.decisions import count, log_unavailable, logger
from service.telling.deliveries import DynamoDBDeliveries
from service.telling.delivering import Delivering, Opened
from service.telling.messages import UnreadableMessage, read_message
from service.telling.queues import ReceivedQueue, SqsQueue
from service.telling.sending import TIMEOUT, sender
from service.telling.telling_settings import DeliverWebhooksSettings
from service.telling.webhooks_table import DynamoDBWebhooks

_FOR_ROWS = 5.0
"""Seconds for what surrounds an attempt."""


def deliver_webhooks(records: Sequence[Mapping[str, Any]], *, delivering: Delivering, now: float) -> list[str]:
    """Do what each message asks for; the ids of those that must come again."""
    again = []
    for record in records:
        identifier = str(record["messageId"])
        try:
            require_time("webhook", TIMEOUT + _FOR_ROWS)
            if not delivering.done(read_message(str(record["body"])), str(record["receiptHandle"]), now):
                again.append(identifier)
        except UnreadableMessage:
            # Only functions of this stack write to the queue: it is of another release. It ends in the other queue.
            count("WebhookMessageUnreadable")
            logger().warning("webhook message not understood", message_id=identifier)
            again.append(identifier)
        except Unavailable as error:
            log_unavailable(error.what, identifier)
            again.append(identifier)
    return again


@cache
def wire() -> Delivering:
    """The collaborators, from the environment; made once."""
    settings = read_settings(DeliverWebhooksSettings, os.environ)
    client = dynamodb()
    return Delivering(
        webhooks=DynamoDBWebhooks(client, settings.webhooks_table),
        deliveries=DynamoDBDeliveries(client, settings.webhooks_table),
        opened=Opened(KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name)),
        queue=ReceivedQueue(queues(), settings.webhook_queue),
        missed=SqsQueue(queues(), settings.missed_queue),
        sender=sender(settings.webhook_addresses),
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Lambda's entry; the answer as an event source mapping with ``ReportBatchItemFailures`` reads it."""
    with within(time_of_invocation(context)):
        again = deliver_webhooks(event["Records"], delivering=wire(), now=time.time())
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in again]}
