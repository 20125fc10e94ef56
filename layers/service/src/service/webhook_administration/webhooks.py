"""Use cases of the Admin API: webhooks, and what was sent to them.

A new secret is in the one answer that made it, and nowhere else: not in a log, not in the audit, not in a list. It
leaves the function sealed; opening it is for ``deliver_webhooks`` alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Final

from pydantic import Field

from service.admin.keys import require_app
from service.admin.problems import CHANGE_REFUSED, UNKNOWN_WEBHOOK, AdminRefusal, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.tables.audit import AuditEntry, webhook_subject
from service.telling.administered import AdministeredWebhooks
from service.telling.deliveries import Delivery, DeliveryState
from service.telling.incident_event import trial_event
from service.telling.messages import DeliveryMessage, event_message
from service.telling.webhook import (
    FORMER_SECRET_SECONDS,
    MOST_APPS,
    MOST_WEBHOOKS,
    NAME_PATTERN,
    Webhook,
    WebhookState,
    address_kid,
    read_place,
    secret_kid,
)
from service.telling.webhook_secret import new_secret, written

_Why = Annotated[str, Field(max_length=1000)]
_Moment = Annotated[float, Field(ge=0, le=10**11, strict=False)]
_Entry = Annotated[str, Field(pattern=r"\A([0-9]{14}/evt_[0-9a-f]{32})?\z")]
_LATE: Final = 900.0
"""Seconds after which a delivery that is due and was not tried has lost its message."""


class EveryWebhook(RequestModel):
    """GET /admin/webhooks."""


class OneWebhook(RequestModel):
    """A webhook that a path names."""

    webhook: Annotated[str, Field(pattern=NAME_PATTERN)]


class AddWebhook(OneWebhook):
    """POST /admin/webhooks/{webhook}. ``apps`` are those whose incidents it is told of; none means all."""

    url: Annotated[str, Field(min_length=1, max_length=2048, repr=False)]
    apps: Annotated[list[App], Field(max_length=MOST_APPS, default_factory=list)]
    why: _Why = ""


class ChangeWebhook(OneWebhook):
    """POST /admin/webhooks/{webhook}/remove, /rotate, /enable and /test."""

    why: _Why = ""


class DeliveriesOfWebhook(OneWebhook):
    """GET /admin/webhooks/{webhook}/deliveries, by the time of the events, in Unix seconds. ``after`` is the ``next``
    of the page before."""

    since: _Moment = 0.0
    until: _Moment = 10.0**11
    after: _Entry = ""


class ReplayWebhook(OneWebhook):
    """POST /admin/webhooks/{webhook}/replay: what was missed from ``since`` to before ``until``, or the one ``event``,
    whatever became of it."""

    since: _Moment | None = None
    until: _Moment | None = None
    event: Annotated[str, Field(pattern=r"\Aevt_[0-9a-f]{32}\z")] | None = None
    after: _Entry = ""
    why: _Why = ""


def list_webhooks(_request: EveryWebhook, call: StackCall) -> dict[str, object]:
    """Every webhook: never a secret, and of its address no path."""
    return {"webhooks": [one.to_record() for one in _parts(call).changes.stored.all()]}


def add_webhook(request: AddWebhook, call: StackCall) -> dict[str, object]:
    """Add a webhook. The answer has its secret."""
    parts = _parts(call)
    with _answered():
        try:
            place = read_place(request.url, parts.addresses)
        except ValueError as error:
            raise AdminRefusal(CHANGE_REFUSED, f"The url {error}.") from None
        for app in request.apps:
            require_app(call.stack.apps, app)
        known = parts.changes.stored.all()
        if any(one.name == request.webhook for one in known):
            raise AdminRefusal(CHANGE_REFUSED, f"There is a webhook called {request.webhook}: remove it first.")
        if len(known) >= MOST_WEBHOOKS:
            raise AdminRefusal(CHANGE_REFUSED, f"There are {MOST_WEBHOOKS} webhooks, as many as there may be.")
        uid, secret = secrets.token_hex(8), new_secret()
        webhook = Webhook(
            name=request.webhook,
            uid=uid,
            shown=place.shown,
            apps=tuple(dict.fromkeys(request.apps)),
            state=WebhookState.ACTIVE,
            because="",
            address=call.stack.sealing.wrap(address_kid(uid), request.url.encode("ascii")),
            secret=call.stack.sealing.wrap(secret_kid(uid), secret),
            by=call.who,
            at=int(call.now),
            revision=1,
        )
        parts.changes.put(webhook, _entry(call, webhook, "add-webhook", request.why), seen=None)
        return webhook.to_record() | {"secret": written(secret)}


def remove_webhook(request: ChangeWebhook, call: StackCall) -> dict[str, object]:
    """Forget a webhook. What still waits for it is not sent."""
    with _answered():
        webhook = _known(request, call)
        _parts(call).changes.remove(webhook, _entry(call, webhook, "remove-webhook", request.why))
        return webhook.to_record()


def rotate_webhook(request: ChangeWebhook, call: StackCall) -> dict[str, object]:
    """Give a webhook a new secret, which is in the answer. For a day attempts carry a signature by each."""
    with _answered():
        seen, secret = _known(request, call), new_secret()
        changed = replace(
            _changed(seen, call),
            secret=call.stack.sealing.wrap(secret_kid(seen.uid), secret),
            former=seen.secret,
            former_until=int(call.now) + FORMER_SECRET_SECONDS,
        )
        _parts(call).changes.put(changed, _entry(call, changed, "rotate-webhook", request.why), seen=seen)
        return changed.to_record() | {"secret": written(secret)}


def enable_webhook(request: ChangeWebhook, call: StackCall) -> dict[str, object]:
    """Tell a webhook again that was disabled because its receiver was gone."""
    with _answered():
        seen = _known(request, call)
        changed = replace(_changed(seen, call), state=WebhookState.ACTIVE, because="")
        _parts(call).changes.put(changed, _entry(call, changed, "enable-webhook", request.why), seen=seen)
        return changed.to_record()


def try_webhook(request: ChangeWebhook, call: StackCall) -> dict[str, object]:
    """Send a webhook an event of type ``webhook.test``. The answer has the event's id."""
    parts = _parts(call)
    with _answered():
        webhook = _known(request, call)
        told = trial_event(webhook.name, stack=parts.stack_name, at=call.now, drawn=secrets.token_hex(8))
        call.stack.audit.add(_entry(call, webhook, "test-webhook", request.why, event=told.id))
        parts.queue.send(event_message(told, app="", webhook=webhook.name))
        return {"event": told.id}


def list_webhook_deliveries(request: DeliveriesOfWebhook, call: StackCall) -> dict[str, object]:
    """What was sent to a webhook and what became of it, oldest first."""
    webhook = _known(request, call)
    page = _parts(call).deliveries.between(webhook.uid, request.since, request.until, after=request.after)
    return {"deliveries": [one.to_record() for one in page.deliveries], "next": page.next or None}


def replay_webhook(request: ReplayWebhook, call: StackCall) -> dict[str, object]:
    """Send again what a webhook missed, at most a hundred events; ``next`` is the time to go on from."""
    parts = _parts(call)
    with _answered():
        webhook = _known(request, call)
        if webhook.state is not WebhookState.ACTIVE:
            raise AdminRefusal(CHANGE_REFUSED, f"{webhook.name} is disabled: enable it first.")
        if (request.event is None) is (request.since is None):
            raise AdminRefusal(CHANGE_REFUSED, "Say since when, or which event.")
        since, until = request.since or 0.0, call.now + 1 if request.until is None else request.until
        after, chosen = request.after, list[Delivery]()
        while not chosen:
            page = parts.deliveries.between(webhook.uid, since, until, after=after)
            chosen, after = [one for one in page.deliveries if _is_meant(one, request, call.now)], page.next
            if not after:
                break
        if request.event is not None and not chosen:
            raise AdminRefusal(CHANGE_REFUSED, "No such event was sent to this webhook in the last thirty days.")
        call.stack.audit.add(_entry(call, webhook, "replay-webhook", request.why, events=len(chosen)))
        for one in chosen:
            parts.deliveries.note(one, state=DeliveryState.WAITING, attempts=0, outcome="replayed", due=call.now)
            parts.queue.send(DeliveryMessage(name=webhook.name, uid=webhook.uid, entry=one.entry).model_dump())
        return {"replayed": [one.event for one in chosen], "next": None if request.event else after or None}


def _is_meant(one: Delivery, request: ReplayWebhook, now: float) -> bool:
    if request.event is not None:
        return one.event == request.event
    lost = one.state is DeliveryState.WAITING and now > one.due + _LATE
    return lost or one.state is DeliveryState.MISSED


def _parts(call: StackCall) -> AdministeredWebhooks:
    return call.stack.webhooks


def _known(request: OneWebhook, call: StackCall) -> Webhook:
    found = _parts(call).changes.stored.find(request.webhook)
    if found is None:
        raise AdminRefusal(UNKNOWN_WEBHOOK, f"There is no webhook called {request.webhook}.")
    return found


def _changed(seen: Webhook, call: StackCall) -> Webhook:
    return replace(seen, by=call.who, at=int(call.now), revision=seen.revision + 1)


def _entry(call: StackCall, webhook: Webhook, action: str, why: str, **details: str | int) -> AuditEntry:
    told: dict[str, str | int] = {"url": webhook.shown, "apps": ", ".join(webhook.apps), **details}
    return entry_of(call, webhook_subject(webhook.name), action, why, told)


@contextmanager
def _answered() -> Iterator[None]:
    with shown_in_doubt("bonafide webhook list"), refused_as(UNKNOWN_WEBHOOK):
        yield
