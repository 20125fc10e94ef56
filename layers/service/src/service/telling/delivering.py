"""What is done with a message of the queue: an event becomes a delivery for each webhook, a delivery is tried.

Every step may happen twice, as SQS delivers at least once and any answer may be lost: a delivery is stored before its
message is sent, its row says whether it is still waiting, and its event has one id, by which receivers tell a second
copy. What cannot be done now raises, and SQS brings the message again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from service.keys.kms import WrappingKey
from service.telemetry.decisions import count, logger
from service.telling.deliveries import Delivery, DeliveryState, new_delivery
from service.telling.incident_event import Told
from service.telling.messages import DeliveryMessage, EventMessage, Message
from service.telling.queues import ReceivedQueue, SqsQueue
from service.telling.schedule import MOST_ATTEMPTS, wait_after
from service.telling.sending import Outcome, Sender
from service.telling.webhook import Webhook, WebhookState, address_kid, secret_kid

_REMOVED: Final = "webhook-removed"
_DISABLED: Final = "webhook-disabled"
_EARLY: Final = 1.0
_REMEMBERED_SECONDS: Final = 60.0
_MOST_REMEMBERED: Final = 64


class Webhooks(Protocol):
    """Where webhooks are."""

    def all(self) -> tuple[Webhook, ...]: ...

    def find(self, name: str) -> Webhook | None: ...

    def disable(self, webhook: Webhook, because: str) -> bool: ...


class Deliveries(Protocol):
    """Where deliveries are."""

    def add(self, delivery: Delivery, *, now: float) -> bool: ...

    def find(self, uid: str, entry: str) -> Delivery | None: ...

    def note(self, seen: Delivery, *, state: DeliveryState, attempts: int, outcome: str, due: float) -> bool: ...


@dataclass(slots=True)
class Opened:
    """Addresses and secrets of webhooks, opened, for a minute: an attempt costs no call to KMS of its own."""

    wrapping: WrappingKey
    _known: dict[tuple[str, bytes], tuple[float, bytes]] = field(default_factory=dict, repr=False)

    def address(self, webhook: Webhook, now: float) -> str:
        return self._open(address_kid(webhook.uid), webhook.address, now).decode("ascii")

    def secrets(self, webhook: Webhook, now: float) -> list[bytes]:
        """Those that sign: the newest first."""
        sealed = [webhook.secret]
        if webhook.former is not None and now < (webhook.former_until or 0):
            sealed.append(webhook.former)
        return [self._open(secret_kid(webhook.uid), one, now) for one in sealed]

    def _open(self, kid: str, sealed: bytes, now: float) -> bytes:
        until, value = self._known.get((kid, sealed), (0.0, b""))
        if not until - _REMEMBERED_SECONDS <= now < until:
            value = self.wrapping.unwrap(kid, sealed)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[kid, sealed] = (now + _REMEMBERED_SECONDS, value)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """What messages are done with. ``wait_after`` says how long to wait, for tests."""

    webhooks: Webhooks
    deliveries: Deliveries
    opened: Opened
    queue: ReceivedQueue
    missed: SqsQueue
    sender: Sender
    wait_after: Callable[..., int] = wait_after

    def done(self, message: Message, receipt: str, now: float) -> bool:
        """Do what ``message`` asks for; false where it must come again, and was hidden until then.

        Raises :class:`~service.errors.Unavailable`.
        """
        if isinstance(message, EventMessage):
            self._spread(message, now)
            return True
        return self._tried(message, receipt, now)

    def _spread(self, message: EventMessage, now: float) -> None:
        told = message.told
        for webhook in self.webhooks.all():
            if message.webhook == webhook.name if message.webhook else webhook.wants(message.app):
                self._begin(webhook, told, now)

    def _begin(self, webhook: Webhook, told: Told, now: float) -> None:
        active = webhook.state is WebhookState.ACTIVE
        state, outcome = (DeliveryState.WAITING, "") if active else (DeliveryState.MISSED, _DISABLED)
        delivery = new_delivery(webhook.uid, told, state=state, outcome=outcome, now=now)
        if not self.deliveries.add(delivery, now=now):
            known = self.deliveries.find(delivery.uid, delivery.entry)
            active = known is not None and known.state is DeliveryState.WAITING and known.attempts == 0
        if active:
            self.queue.send(DeliveryMessage(name=webhook.name, uid=webhook.uid, entry=delivery.entry).model_dump())

    def _tried(self, message: DeliveryMessage, receipt: str, now: float) -> bool:
        delivery = self.deliveries.find(message.uid, message.entry)
        if delivery is None or delivery.state is not DeliveryState.WAITING:
            return True  # a second copy of a message, or a delivery that expired
        webhook = self.webhooks.find(message.name)
        if webhook is None or webhook.uid != message.uid or webhook.state is not WebhookState.ACTIVE:
            gone = webhook is None or webhook.uid != message.uid
            self._end(delivery, message.name, DeliveryState.MISSED, Outcome(_REMOVED if gone else _DISABLED), now)
            return True
        early = delivery.due - now
        if delivery.attempts and early > _EARLY:
            self.queue.hide(receipt, int(early) + 1)
            return False
        url, secrets = self.opened.address(webhook, now), self.opened.secrets(webhook, now)
        outcome = self.sender.send(url, delivery.event, delivery.text, secrets)
        return self._judged(delivery, webhook, outcome, receipt, now)

    def _judged(self, delivery: Delivery, webhook: Webhook, outcome: Outcome, receipt: str, now: float) -> bool:
        if outcome.delivered:
            self._end(delivery, webhook.name, DeliveryState.DELIVERED, outcome, now)
            return True
        if outcome.gone:
            if self.webhooks.disable(webhook, f"The receiver answered {outcome.said}."):
                count("WebhookDisabled")
            self._end(delivery, webhook.name, DeliveryState.MISSED, outcome, now)
            return True
        attempts = delivery.attempts + 1
        if attempts >= MOST_ATTEMPTS:
            self._end(delivery, webhook.name, DeliveryState.MISSED, outcome, now)
            return True
        wait = self.wait_after(attempts, retry_after=outcome.wait)
        self.deliveries.note(
            delivery, state=DeliveryState.WAITING, attempts=attempts, outcome=outcome.said, due=now + wait
        )
        _say("webhook failed", "WebhookFailed", webhook.name, delivery, outcome, attempts, wait=wait)
        self.queue.hide(receipt, wait)
        return False

    def _end(self, delivery: Delivery, name: str, state: DeliveryState, outcome: Outcome, now: float) -> None:
        """The last attempt of a delivery, or none. What is missed also lies in a queue of its own, which rings."""
        tried = outcome.said not in (_REMOVED, _DISABLED)
        attempts = delivery.attempts + tried
        if state is DeliveryState.MISSED and outcome.said != _REMOVED:
            self.missed.send({"webhook": name, "event": delivery.event, "outcome": outcome.said})
        self.deliveries.note(delivery, state=state, attempts=attempts, outcome=outcome.said, due=now)
        if state is DeliveryState.MISSED:
            _say("webhook missed", "WebhookMissed", name, delivery, outcome, attempts)
        else:
            _say("webhook delivered", "WebhookDelivered", name, delivery, outcome, attempts)


def _say(
    message: str, metric: str, name: str, delivery: Delivery, outcome: Outcome, attempts: int, **more: Any
) -> None:
    """A line about an attempt: never an address, which may be a secret, nor anything that the receiver wrote."""
    count(metric)
    fields: dict[str, Any] = {"webhook": name, "event": delivery.event, "outcome": outcome.said, "attempts": attempts}
    logger().info(message, **fields, **more)
