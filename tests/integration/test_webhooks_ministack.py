"""Webhooks from the Admin API to a receiver: real tables, keys and queues of the AWS stand-in, real HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from deliver_webhooks import deliver_webhooks
from service.errors import Overtaken
from service.fallback_modes import WebhookAddresses
from service.relay.upstream_call import Network
from service.telling.deliveries import MOST_LISTED, DeliveryState, DynamoDBDeliveries, new_delivery
from service.telling.delivering import Delivering, Opened
from service.telling.incident_event import Change, event_of
from service.telling.queues import ReceivedQueue, SqsQueue
from service.telling.sending import Sender
from service.telling.webhooks_table import DynamoDBWebhooks

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.local_account import client_arguments
from bonafide.webhooks.webhooks import Webhooks
from tests.integration.administered_stack import admin, entries
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.told_incidents import AT, incident
from tests.service_stack.worlds import AwsWorld
from tests.webhooks.judges import by_the_specification
from tests.webhooks.receiver import Receiver

__all__ = ["admin"]
pytestmark = pytest.mark.ministack

SLACK = "https://hooks.example.com/services/T0/B0/very-secret-path"


@dataclass
class Stand:
    """A stack's administration and delivery over the same tables and queues."""

    admin: AdminWorld
    webhooks: Webhooks
    delivering: Delivering
    sqs: Any
    queue: str
    missed: str
    now: float = AT

    def deliver(self) -> int:
        """What Lambda does with the messages that are there now; how many were done."""
        done = 0
        while messages := self.sqs.receive_message(QueueUrl=self.queue).get("Messages"):
            for one in messages:
                record = {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                }
                if not deliver_webhooks([record], delivering=self.delivering, now=self.now):
                    self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
                    done += 1
        return done


@pytest.fixture
def stand(ministack: AwsWorld, admin: AdminWorld) -> Stand:
    assert ministack.endpoint_url is not None
    sqs: Any = boto3.client("sqs", **client_arguments(ministack.endpoint_url))
    names = [f"{ministack.stack_name}-{name}" for name in ("told", "missed")]
    queue, missed = (str(sqs.create_queue(QueueName=name)["QueueUrl"]) for name in names)
    administration = admin_world(ministack, queues=sqs, queue=queue, addresses=WebhookAddresses.LOOPBACK)
    table = ministack.tables["webhooks"]
    delivering = Delivering(
        webhooks=DynamoDBWebhooks(ministack.dynamodb, table),
        deliveries=DynamoDBDeliveries(ministack.dynamodb, table),
        opened=Opened(ministack.wrapping),
        queue=ReceivedQueue(sqs, queue),
        missed=SqsQueue(sqs, missed),
        sender=Sender(WebhookAddresses.LOOPBACK, Network(), clock=lambda: AT),
    )
    return Stand(administration, Webhooks(administration), delivering, sqs, queue, missed)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(by_the_specification, lambda: AT) as made:
        yield made


def test_webhook_is_added_tried_rotated_and_removed(stand: Stand, receiver: Receiver) -> None:
    """Each secret is in one answer alone; receivers check with it. Everything is in the audit."""
    added = stand.webhooks.add("mine", receiver.url, apps=["demo"], why="a try")
    receiver.secret = added["secret"]
    event = stand.webhooks.change("mine", "test")["event"]
    assert stand.deliver() == 2
    assert (receiver.taken, receiver.attempts[0].verdict) == ({event: 1}, "ok")
    rotated = stand.webhooks.change("mine", "rotate", why="yearly")
    assert rotated["secret"] != added["secret"]
    stand.webhooks.change("mine", "test")
    stand.deliver()
    receiver.secret = rotated["secret"]
    stand.webhooks.change("mine", "test")
    stand.deliver()
    assert [one.verdict for one in receiver.attempts] == ["ok"] * 3
    found = stand.webhooks.deliveries("mine", 0, 10**10)
    assert [(one["state"], one["attempts"], one["outcome"]) for one in found] == [("delivered", 1, "204")] * 3
    stand.webhooks.change("mine", "remove")
    assert stand.webhooks.all() == {"webhooks": []}
    actions = [entry["action"] for entry in reversed(entries(stand.admin, "webhook/mine"))]
    assert sorted(actions) == sorted(
        ["add-webhook", "test-webhook", "rotate-webhook", "test-webhook", "test-webhook", "remove-webhook"]
    )


def test_secrets_and_paths_are_in_no_list_log_audit_or_row(stand: Stand, ministack: AwsWorld) -> None:
    """The attack: a reader of lists, logs or tables posts to the team's channel, or signs as the stack."""
    written = io.StringIO()
    with redirect_stdout(written), redirect_stderr(written):
        added = stand.webhooks.add("chat", SLACK)
        rotated = stand.webhooks.change("chat", "rotate")
        listed = stand.webhooks.all()
    rows = ministack.dynamodb.scan(TableName=ministack.tables["webhooks"])["Items"]
    places = json.dumps([listed, entries(stand.admin, "webhook/chat")]) + written.getvalue() + repr(rows)
    for secret in (added["secret"], rotated["secret"]):
        assert secret not in places
        assert secret.removeprefix("whsec_") not in places
    assert "very-secret-path" not in places
    assert added["url"] == "https://hooks.example.com/..."


def test_what_was_missed_is_replayed_by_time_or_id(stand: Stand, receiver: Receiver) -> None:
    """With the same ids, so that a receiver that has one of them notices."""
    receiver.secret = stand.webhooks.add("mine", receiver.url)["secret"]
    receiver.answer = 410
    stand.webhooks.change("mine", "test")
    stand.deliver()
    assert stand.webhooks.all()["webhooks"][0]["state"] == "disabled"
    with pytest.raises(AdminProblem) as refused:
        stand.webhooks.replay("mine", {"since": 0})
    assert (refused.value.status, refused.value.slug) == (422, "change-refused")
    later = stand.webhooks.change("mine", "test")["event"]
    stand.deliver()
    receiver.answer = None
    stand.webhooks.change("mine", "enable")
    replayed = stand.webhooks.replay("mine", {"since": 0}, why="it is back")
    assert len(replayed) == 2
    stand.deliver()
    assert receiver.taken == dict.fromkeys(replayed, 1)
    assert stand.webhooks.replay("mine", {"since": 0}) == []
    assert stand.webhooks.replay("mine", {"event": later}) == [later]
    stand.deliver()
    assert (receiver.taken[later], receiver.copies) == (1, 1)
    states = [one["state"] for one in stand.webhooks.deliveries("mine", 0, 10**10)]
    assert states == ["delivered"] * 2


def test_replay_goes_through_every_page(stand: Stand, receiver: Receiver, ministack: AwsWorld) -> None:
    """Also through more events of one moment than a page has."""
    receiver.secret = stand.webhooks.add("mine", receiver.url)["secret"]
    (webhook,) = stand.delivering.webhooks.all()
    deliveries = DynamoDBDeliveries(ministack.dynamodb, ministack.tables["webhooks"])
    expected = []
    for number in range(2 * MOST_LISTED + 7):
        told = event_of(Change.OPENED, incident(id=f"spike-{number}"), stack="s", at=AT, name=str(number))
        expected.append(told.id)
        state = DeliveryState.DELIVERED if number % 5 == 0 else DeliveryState.MISSED
        deliveries.add(new_delivery(webhook.uid, told, state=state, outcome="500", now=AT), now=AT)
    assert sorted(one["event"] for one in stand.webhooks.deliveries("mine", AT - 1, AT + 1)) == sorted(expected)
    replayed = stand.webhooks.replay("mine", {"since": AT - 1})
    assert sorted(replayed) == sorted(one for number, one in enumerate(expected) if number % 5)
    assert stand.webhooks.deliveries("mine", AT + 1, AT + 2) == []
    assert stand.webhooks.deliveries("mine", AT + 2, AT + 1) == []


def test_delivery_waits_in_the_queue_for_its_next_attempt(stand: Stand, receiver: Receiver) -> None:
    """Hidden by the function; nothing that is visible stays behind."""
    receiver.secret = stand.webhooks.add("mine", receiver.url)["secret"]
    receiver.answer = 503
    stand.webhooks.change("mine", "test")
    assert stand.deliver() == 1
    assert len(receiver.attempts) == 1
    attributes = stand.sqs.get_queue_attributes(QueueUrl=stand.queue, AttributeNames=["All"])["Attributes"]
    waiting = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
    assert waiting == 1
    (delivery,) = stand.webhooks.deliveries("mine", 0, 10**10)
    assert (delivery["state"], delivery["attempts"], delivery["outcome"]) == ("waiting", 1, "503")
    assert delivery["due"] > AT


@pytest.mark.parametrize(
    ("url", "apps"),
    [
        ("http://hooks.example.com/", []),
        ("https://169.254.169.254/latest/", []),
        ("https://user:word@hooks.example.com/", []),
        ("file:///etc/passwd", []),
    ],
)
def test_other_addresses_are_refused(stand: Stand, url: str, apps: list[str]) -> None:
    """With a sentence that does not quote them."""
    with pytest.raises(AdminProblem) as refused:
        stand.webhooks.add("mine", url, apps=apps)
    assert (refused.value.status, refused.value.slug) == (422, "change-refused")
    assert url not in str(refused.value)


@pytest.mark.parametrize("verb", ["remove", "rotate", "enable", "test", "replay"])
def test_webhook_that_is_not_there_is_unknown(stand: Stand, verb: str) -> None:
    """404, and nothing is written down."""
    with pytest.raises(AdminProblem) as refused:
        stand.admin.call("POST", f"/admin/webhooks/nothing/{verb}", {"since": 0} if verb == "replay" else {})
    assert (refused.value.status, refused.value.slug) == (404, "unknown-webhook")
    assert entries(stand.admin, "webhook/nothing") == []


def test_second_of_a_name_is_refused_and_so_is_one_of_an_unknown_app(stand: Stand) -> None:
    """A name stands for one receiver; an app that is misspelt would be told of nothing."""
    stand.webhooks.add("mine", SLACK)
    for name, apps, status in (("mine", [], 422), ("other", ["nobody"], 404)):
        with pytest.raises(AdminProblem) as refused:
            stand.webhooks.add(name, SLACK, apps=apps)
        assert refused.value.status == status
    for number in range(15):
        stand.webhooks.add(f"more-{number}", SLACK)
    with pytest.raises(AdminProblem) as refused:
        stand.webhooks.add("one-more", SLACK)
    assert "16 webhooks" in str(refused.value)


def test_change_of_what_another_operator_changed_is_refused(stand: Stand, ministack: AwsWorld) -> None:
    """The loser writes nothing: neither the row nor the audit."""
    stand.webhooks.add("mine", SLACK)
    changes = stand.admin.stack.webhooks.changes
    (seen,) = changes.stored.all()
    stand.webhooks.change("mine", "rotate")
    before = len(entries(stand.admin, "webhook/mine"))
    entry = replace(stand.admin.stack.audit.newest("webhook/mine")[0], entry="")
    with pytest.raises(Overtaken):
        changes.put(seen, entry, seen=seen)
    with pytest.raises(Overtaken):
        changes.remove(seen, entry)
    assert changes.stored.disable(seen, "gone") is False
    assert len(entries(stand.admin, "webhook/mine")) == before
