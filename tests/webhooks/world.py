"""Everything between an incident and a receiver in simulated time, with what SQS and Lambda may do to it: real code,
real HTTP, and queues in memory that deliver twice, and forget that a message was done."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deliver_webhooks import deliver_webhooks
from service.fallback_modes import WebhookAddresses
from service.relay.upstream_call import Network
from service.telling.delivering import Delivering, Opened
from service.telling.incident_event import Told
from service.telling.messages import event_message
from service.telling.queues import ReceivedQueue, SqsQueue
from service.telling.sending import Sender
from service.telling.webhook import Webhook

from tests.service_stack.fake_queues import FakeQueues
from tests.service_stack.told_incidents import AT, MemoryDeliveries, MemoryWebhooks, PlainWrapping

QUEUE: Final = "webhooks"
MISSED: Final = "missed"


@dataclass
class World:
    """``twice`` and ``forgets`` are how probably SQS delivers a message twice, and Lambda loses that it was done.
    ``offset`` is what the sender's clock is off, in seconds."""

    webhooks: MemoryWebhooks
    twice: float = 0.0
    forgets: float = 0.0
    offset: float = 0.0
    seed: int = 1
    now: float = AT
    wrapping: PlainWrapping = field(default_factory=PlainWrapping)
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    handled: int = 0
    _later: list[tuple[float, int, Told]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.queues = FakeQueues(lambda: self.now)
        self.delivering = Delivering(
            webhooks=self.webhooks,
            deliveries=self.deliveries,
            opened=Opened(self.wrapping),
            queue=ReceivedQueue(self.queues, QUEUE),
            missed=SqsQueue(self.queues, MISSED),
            sender=Sender(WebhookAddresses.LOOPBACK, Network(), clock=lambda: self.now + self.offset),
        )

    def tell(self, told: Told, *, at: float, app: str = "demo") -> None:
        """Have an event told at a time."""
        assert app == "demo"
        heapq.heappush(self._later, (at, len(self._later), told))

    def run(self, until: float) -> None:
        """Let time pass: what is due is done, in order, as Lambda does it."""
        while True:
            due = [self._later[0][0]] if self._later else []
            visible = self.queues.soonest(QUEUE)
            due += [] if visible is None else [visible]
            if not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            while self._later and self._later[0][0] <= self.now:
                self.queues.send_message(QueueUrl=QUEUE, MessageBody=_body(heapq.heappop(self._later)[2]))
            for record in self.queues.receive(QUEUE, most=10):
                self._handle(record)
        self.now = max(self.now, until)

    def _handle(self, record: Mapping[str, Any]) -> None:
        for _ in range(1 + (self.chance.random() < self.twice)):
            self.handled += 1
            again = deliver_webhooks([record], delivering=self.delivering, now=self.now)
        if not again and self.chance.random() >= self.forgets:
            self.queues.delete(QUEUE, record["messageId"])

    def add(self, webhook: Webhook) -> None:
        self.webhooks.rows[webhook.name] = webhook


def _body(told: Told) -> str:
    return json.dumps(event_message(told, app="demo"))
