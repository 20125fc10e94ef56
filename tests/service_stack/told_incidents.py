"""Incidents as the Admin API shows them, for what tells of them; and webhooks and deliveries in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from service.telling.deliveries import Delivery, DeliveryState
from service.telling.webhook import Webhook, WebhookState

AT: Final = 1_795_800_000.0
KEY: Final = "AJ3-fYqkZ0mB7cXw9sTt2LhVnQe8RgUoPiDa5KbMxCE"


def incident(**changed: Any) -> dict[str, Any]:
    """An open incident of a key farm."""
    return {
        "id": "key-farm-0123456789abcdef0123",
        "detector": "key-farm",
        "subject": "certificate-x",
        "app": "demo",
        "since": AT - 600,
        "last": AT - 1,
        "title": "One device stands behind 41 installs of demo.",
        "counts": {"keys": 41, "installs": 38, "decisions": 97, "refused": 12},
        "keys": [KEY],
        "named": {"build": "4.2.0", "model": "Pixel 9"},
        "confidence": 0.97,
        "because": ["41 keys were enrolled under one certificate in 10 minutes; a phone makes 3 in a month."],
        "scope": "key",
        "remedy": {"kind": "rule", "text": "Refuse its keys.", "rule": "forbid (...);", "command": f"block {KEY}"},
        "own_signer_share": 0.25,
        "state": "open",
        "opened_at": AT,
        "ended_at": None,
        "closed": None,
        **changed,
    }


def webhook(name: str = "pager", **changed: Any) -> Webhook:
    """A webhook whose sealed values are what :class:`PlainWrapping` opens."""
    made = Webhook(
        name=name,
        uid=f"uid-{name}",
        shown="https://hooks.example.com/...",
        apps=(),
        state=WebhookState.ACTIVE,
        because="",
        address=b"https://hooks.example.com/in",
        secret=bytes(32),
        by="arn:ann",
        at=int(AT),
        revision=1,
    )
    return replace(made, **changed)


class PlainWrapping:
    """Seals nothing; counts what is opened, by name."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def wrap(self, _kid: str, secret: bytes) -> bytes:
        return secret

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        self.opened.append(kid)
        return wrapped


class MemoryWebhooks:
    """:class:`~service.telling.delivering.Webhooks` in a dict."""

    def __init__(self, *webhooks: Webhook) -> None:
        self.rows = {one.name: one for one in webhooks}

    def all(self) -> tuple[Webhook, ...]:
        return tuple(self.rows.values())

    def find(self, name: str) -> Webhook | None:
        return self.rows.get(name)

    def disable(self, webhook: Webhook, because: str) -> bool:
        self.rows[webhook.name] = replace(webhook, state=WebhookState.DISABLED, because=because)
        return True


class MemoryDeliveries:
    """:class:`~service.telling.delivering.Deliveries` in a dict."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Delivery] = {}

    def add(self, delivery: Delivery, *, now: float) -> bool:  # noqa: ARG002 - for the row's end, in a table
        if (delivery.uid, delivery.entry) in self.rows:
            return False
        self.rows[delivery.uid, delivery.entry] = delivery
        return True

    def find(self, uid: str, entry: str) -> Delivery | None:
        return self.rows.get((uid, entry))

    def note(self, seen: Delivery, *, state: DeliveryState, attempts: int, outcome: str, due: float) -> bool:
        known = self.rows[seen.uid, seen.entry]
        if (known.state, known.attempts) != (seen.state, seen.attempts):
            return False
        changed = replace(known, state=state, attempts=attempts, outcome=outcome, due=due)
        self.rows[seen.uid, seen.entry] = changed
        return True
