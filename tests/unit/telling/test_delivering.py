"""What becomes of a delivery, over real HTTP on 127.0.0.1 and queues in memory, in simulated time."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import deliver_webhooks
import pytest
from service.errors import Unavailable
from service.relay.upstream_call import Network
from service.telling.deliveries import Delivery, DeliveryState
from service.telling.incident_event import Change, Told, event_of
from service.telling.messages import event_message
from service.telling.schedule import LONGEST_WAIT, MOST_ATTEMPTS, WAITS
from service.telling.sending import Sender
from service.telling.webhook import WebhookState

from tests.service_stack.told_incidents import AT, MemoryWebhooks, incident, webhook
from tests.webhooks.judges import by_the_specification
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import MISSED, QUEUE, World

SECRET = bytes(range(32))
DAY = 86_400.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(by_the_specification, lambda: AT) as made:
        made.secret = f"whsec_{base64.b64encode(SECRET).decode()}"
        yield made


@pytest.fixture
def world(receiver: Receiver) -> World:
    made = World(MemoryWebhooks())
    made.add(webhook("pager", address=receiver.url.encode(), secret=SECRET))
    receiver.clock = lambda: made.now
    return made


def told(number: int = 1) -> Told:
    return event_of(Change.OPENED, incident(id=f"spike-{number}"), stack="s", at=AT + number, name=str(number))


def only(world: World) -> Delivery:
    (delivery,) = world.deliveries.rows.values()
    return delivery


def test_event_arrives_signed_with_its_id(world: World, receiver: Receiver) -> None:
    """One attempt, checked by the specification; the delivery says so, and nothing stays in a queue."""
    event = told()
    world.tell(event, at=AT)
    world.run(AT + 60)
    assert receiver.taken == {event.id: 1}
    assert [one.verdict for one in receiver.attempts] == ["ok"]
    assert (only(world).state, only(world).outcome, only(world).attempts) == (DeliveryState.DELIVERED, "204", 1)
    assert not world.queues.bodies(QUEUE)
    assert not world.queues.bodies(MISSED)


@pytest.mark.parametrize("status", [307, 400, 401, 503])
def test_any_other_answer_is_tried_again_until_it_is_missed(world: World, receiver: Receiver, status: int) -> None:
    """Twelve attempts in more than a day; then it is missed, and lies where an alarm sees it."""
    receiver.answer, receiver.headers = status, {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    event = told()
    world.tell(event, at=AT)
    world.run(AT + 3 * DAY)
    assert (only(world).state, only(world).outcome) == (DeliveryState.MISSED, str(status))
    assert len(receiver.attempts) == only(world).attempts == MOST_ATTEMPTS
    assert only(world).due - AT > 0.8 * sum(WAITS) > 0.8 * DAY
    assert len({one.signature for one in receiver.attempts}) == MOST_ATTEMPTS
    (missed,) = world.queues.bodies(MISSED)
    assert json.loads(missed) == {"webhook": "pager", "event": event.id, "outcome": str(status)}
    assert not world.queues.bodies(QUEUE)


def test_redirect_is_not_followed(world: World, receiver: Receiver) -> None:
    """The attack: a receiver sends us, and a signature, to an address of its choice."""
    with Receiver(by_the_specification, lambda: AT) as other:
        receiver.answer, receiver.headers = 307, {"Location": other.url}
        world.tell(told(), at=AT)
        world.run(AT + 600)
        assert receiver.attempts
        assert not other.attempts


def test_receiver_that_is_gone_is_told_nothing_more(world: World, receiver: Receiver) -> None:
    """410: the webhook is disabled; what comes later is kept as missed, and can be replayed when it is enabled."""
    receiver.answer = 410
    world.tell(told(1), at=AT)
    world.run(AT + 60)
    disabled = world.webhooks.rows["pager"]
    assert (disabled.state, disabled.because) == (WebhookState.DISABLED, "The receiver answered 410.")
    world.tell(told(2), at=AT + 61)
    world.run(AT + DAY)
    assert len(receiver.attempts) == 1
    states = [(one.state, one.outcome) for one in world.deliveries.rows.values()]
    assert states == [(DeliveryState.MISSED, "410"), (DeliveryState.MISSED, "webhook-disabled")]


def test_receiver_that_asks_for_time_gets_it(world: World, receiver: Receiver) -> None:
    """Retry-After, in seconds, and no longer than a queue can hide."""
    receiver.answer, receiver.headers = 503, {"Retry-After": "7200"}
    world.tell(told(), at=AT)
    world.run(AT + 7_000)
    assert len(receiver.attempts) == 1
    receiver.headers = {"Retry-After": "999999"}
    world.run(AT + 7_300)
    assert len(receiver.attempts) == 2
    assert only(world).due == pytest.approx(AT + 7_200 + LONGEST_WAIT, abs=5)
    receiver.answer = None
    world.run(AT + DAY)
    assert only(world).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_answer_is_not_read_whatever_it_is(world: World, receiver: Receiver, size: int, capsys: Any) -> None:
    """The attack: an answer that is large, or holds what should not be logged. Its status counts, and nothing else."""
    receiver.answer, receiver.body = 200, b"PRIVATE " * (size // 8 + 1)
    receiver.headers = {"Content-Encoding": "gzip", "X-Private": "PRIVATE"}
    world.tell(told(), at=AT)
    world.run(AT + 60)
    assert only(world).outcome == "200"
    logged = capsys.readouterr().out
    assert "PRIVATE" not in logged
    assert "127.0.0.1" not in logged  # nor the address, whose path may be a secret


def test_connection_that_ends_is_a_failure(world: World, receiver: Receiver) -> None:
    """And says so by a word of ours."""
    receiver.is_down = lambda: world.now < AT + 3
    world.tell(told(), at=AT)
    world.run(AT + 1)
    assert (only(world).state, only(world).outcome) == (DeliveryState.WAITING, "answer-malformed")
    world.run(AT + 60)
    assert only(world).state is DeliveryState.DELIVERED


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_name_that_leads_inside_is_not_called(world: World, address: str) -> None:
    """The attack: the name was public when it was added."""

    def connected(*_arguments: object) -> Any:
        raise AssertionError("connected")

    network = Network(resolve=lambda _host, _port: ["93.184.216.34", address], connect=connected)
    sender = Sender(world.delivering.sender.addresses, network, lambda: world.now)
    world.delivering = replace(world.delivering, sender=sender)
    world.add(webhook("pager", address=b"https://hooks.example.com/in"))
    world.tell(told(), at=AT)
    world.run(AT + 1)
    assert only(world).outcome == "address-refused"


def test_rotated_secret_signs_beside_the_former_for_a_day(world: World, receiver: Receiver) -> None:
    """Receivers change when they can; after that the former is worth nothing."""
    former = world.webhooks.rows["pager"]
    new = bytes(32)
    world.add(replace(former, secret=new, former=SECRET, former_until=int(AT + DAY), revision=2))
    world.tell(told(1), at=AT)
    world.run(AT + 60)
    assert len(receiver.attempts[0].signature.split(" ")) == 2
    assert receiver.attempts[0].verdict == "ok"
    world.tell(told(2), at=AT + DAY + 1)
    world.run(AT + DAY + 2)
    assert len(receiver.attempts[1].signature.split(" ")) == 1
    assert receiver.attempts[1].verdict != "ok"


def test_secrets_are_opened_once_a_minute(world: World) -> None:
    """Not by each attempt; and under names that tell addresses and secrets apart."""
    for number in range(20):
        world.tell(told(number), at=AT)
    world.run(AT + 30)
    assert world.wrapping.opened == ["webhook/uid-pager/address", "webhook/uid-pager/secret"]
    world.tell(told(99), at=AT + 100)
    world.run(AT + 101)
    assert len(world.wrapping.opened) == 4


def test_each_webhook_is_told_of_its_apps(world: World, receiver: Receiver) -> None:
    """And of what concerns all."""
    address = receiver.url.encode()
    world.add(webhook("other", address=address, secret=SECRET, apps=("another",)))
    world.add(webhook("mine", address=address, secret=SECRET, apps=("demo", "x")))
    world.tell(told(1), at=AT)
    world.run(AT + 1)
    assert {one.uid for one in world.deliveries.rows.values()} == {"uid-pager", "uid-mine"}
    message = event_message(event_of(Change.OPENED, incident(app=""), stack="s", at=AT, name="all"), app="")
    world.queues.send_message(QueueUrl=QUEUE, MessageBody=json.dumps(message))
    world.run(AT + 2)
    assert len([one for one in world.deliveries.rows.values() if one.uid == "uid-other"]) == 1


def test_test_goes_to_the_one_that_was_named(world: World, receiver: Receiver) -> None:
    """Whatever its apps."""
    world.add(webhook("other", address=receiver.url.encode(), secret=SECRET))
    message = event_message(told(), app="", webhook="other")
    world.queues.send_message(QueueUrl=QUEUE, MessageBody=json.dumps(message))
    world.run(AT + 1)
    assert [one.uid for one in world.deliveries.rows.values()] == ["uid-other"]


def test_what_waits_for_a_removed_webhook_is_not_sent_to_its_successor(world: World, receiver: Receiver) -> None:
    """The failure: a new receiver of the same name gets what another was meant to get."""
    receiver.answer = 500
    world.tell(told(), at=AT)
    world.run(AT + 1)
    world.add(webhook("pager", uid="another", address=receiver.url.encode(), secret=SECRET))
    world.run(AT + DAY)
    assert len(receiver.attempts) == 1
    assert (only(world).state, only(world).outcome) == (DeliveryState.MISSED, "webhook-removed")


def test_table_that_does_not_answer_costs_no_event(world: World, receiver: Receiver, monkeypatch: Any) -> None:
    """SQS brings the message again; nothing was counted as an attempt."""
    real = world.deliveries.find

    def fails(uid: str, entry: str) -> Delivery | None:
        if world.now < AT + 1_000:
            raise Unavailable("dynamodb:GetItem webhooks: InternalServerError")
        return real(uid, entry)

    monkeypatch.setattr(world.deliveries, "find", fails)
    world.tell(told(), at=AT)
    world.run(AT + DAY)
    assert (only(world).state, only(world).attempts) == (DeliveryState.DELIVERED, 1)


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"name":"a","uid":"b"}', '{"document":{},"at":1,"app":""}', "\ud800"]
)
def test_message_of_another_kind_stays_for_the_other_queue(world: World, body: str) -> None:
    """It is answered as failed; SQS moves it in the end. The others are not held up."""
    records = [
        {"messageId": "1", "receiptHandle": "r", "body": body},
        {"messageId": "2", "receiptHandle": "s", "body": json.dumps(event_message(told(), app="demo"))},
    ]
    assert deliver_webhooks.deliver_webhooks(records, delivering=world.delivering, now=AT) == ["1"]
    assert len(world.queues.bodies(QUEUE)) == 1


def test_copy_of_a_delivery_that_comes_early_waits(world: World, receiver: Receiver) -> None:
    """SQS may deliver a copy at once: the receiver's time to breathe is kept."""
    receiver.answer = 503
    world.tell(told(), at=AT)
    world.run(AT + 40)
    before = len(receiver.attempts)
    (body,) = world.queues.bodies(QUEUE)
    world.queues.send_message(QueueUrl=QUEUE, MessageBody=body)
    world.run(AT + 41)
    assert len(receiver.attempts) == before
