"""The queue of what is to be told, and that of what was given up: SQS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.aws import unavailable_on_failure


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A queue, through a boto3 SQS client. Every method raises :class:`~service.errors.Unavailable`."""

    client: Any
    url: str

    def send(self, message: Mapping[str, object]) -> None:
        """Have a message received as soon as may be, once or more often."""
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=True)
        with unavailable_on_failure("sqs:SendMessage"):
            self.client.send_message(QueueUrl=self.url, MessageBody=body)


@dataclass(frozen=True, slots=True)
class ReceivedQueue(SqsQueue):
    """The queue whose messages Lambda hands to the function."""

    def hide(self, receipt: str, seconds: int) -> None:
        """Have a message that was received, and is not deleted, received again after ``seconds``."""
        with unavailable_on_failure("sqs:ChangeMessageVisibility"):
            self.client.change_message_visibility(QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
