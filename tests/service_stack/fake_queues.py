"""SQS as far as it is used, in memory, by a clock that a test turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Kept:
    body: str
    visible: float
    receipt: str = ""
    received: int = 0


@dataclass(slots=True)
class FakeQueues:
    """The part of boto3's ``sqs`` client that is used, and what Lambda does with a queue. ``visibility`` is that of all
    queues, in seconds."""

    clock: Callable[[], float] = lambda: 0.0
    visibility: float = 180.0
    kept: dict[str, dict[str, _Kept]] = field(default_factory=dict)
    _number: int = 0

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, str]:
        self._number += 1
        name = f"message-{self._number}"
        self.kept.setdefault(QueueUrl, {})[name] = _Kept(MessageBody, self.clock())
        return {"MessageId": name}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> dict[str, Any]:
        assert 0 <= VisibilityTimeout <= 43_200
        for message in self.kept[QueueUrl].values():
            if message.receipt == ReceiptHandle:
                message.visible = self.clock() + VisibilityTimeout
        return {}

    def bodies(self, queue: str) -> list[str]:
        """What lies in a queue, visible or not."""
        return [one.body for one in self.kept.get(queue, {}).values()]

    def receive(self, queue: str, most: int = 1) -> list[dict[str, Any]]:
        """Messages as Lambda hands them over, hidden from now on."""
        found: list[dict[str, Any]] = []
        for name, message in self.kept.get(queue, {}).items():
            if message.visible <= self.clock() and len(found) < most:
                message.received += 1
                message.receipt = f"{name}/{message.received}"
                message.visible = self.clock() + self.visibility
                found.append({"messageId": name, "receiptHandle": message.receipt, "body": message.body})
        return found

    def delete(self, queue: str, name: str) -> None:
        """As Lambda does with what was done."""
        self.kept[queue].pop(name, None)

    def soonest(self, queue: str) -> float | None:
        """When the next message of a queue is visible, if there is one."""
        return min((one.visible for one in self.kept.get(queue, {}).values()), default=None)
