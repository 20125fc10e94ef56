"""Who is told of incidents: the same event on the bus, in the queue, by mail and in the archive, each by itself."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError
from service.detection.finding import ALL_APPS, Finding, Remedy
from service.errors import Unavailable
from service.incidents.incident import Change, Happened, Incident, IncidentSink, closed, ended, opened
from service.telling.queues import SqsQueue
from service.telling.sinks import ArchiveSink, EventSink, MailSink, WebhookSink, events_of

from tests.service_stack.fake_queues import FakeQueues
from tests.service_stack.told_incidents import AT, KEY
from tests.unit.telling.schema import SCHEMA


def incident(app: str = "demo", title: str = "One device stands behind 41 installs.") -> Incident:
    return opened(
        Finding(
            detector="key-farm",
            subject="certificate",
            app=app,
            since=AT - 60,
            last=AT - 1,
            title=title,
            counts={"keys": 41},
            keys=(KEY,),
            confidence=0.9,
            because=(f"41 keys, {KEY} among them.",),
            scope="key",
            remedy=Remedy(kind="block", text="Block them.", command=f"bonafide device-key block {KEY}"),
            quiet_after=600.0,
        ),
        AT,
    )


def _became(what: Happened, one: Incident) -> Incident:
    if what is Happened.ENDED:
        return ended(one, AT + 700)
    return closed(one, by="arn:ann", reason="a lab", now=AT + 9) if what is Happened.CLOSED else one


def changes(*what: Happened, app: str = "demo") -> tuple[Change, ...]:
    return tuple(
        Change(f"{number}#key-farm", one, AT + number, _became(one, incident(app))) for number, one in enumerate(what)
    )


EVERY = changes(*Happened)


class Fake:
    """Keeps what it is called with. ``answer`` is what every call answers, or raises."""

    def __init__(self, answer: Any = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = {} if answer is None else answer

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append({"call": name, **arguments})
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def test_all_are_told_the_same() -> None:
    """Opened, grew, ended and closed; not that it was updated. Bus and queue have one document, by the schema."""
    bus, queues, mail, bucket = Fake(), FakeQueues(), Fake(), Fake()
    sinks = (
        EventSink(bus, "prod"),
        WebhookSink(SqsQueue(queues, "q"), "prod"),
        MailSink(mail, "topic", "prod"),
        ArchiveSink(bucket, "bucket", "prod"),
    )
    for sink in sinks:
        sink.take(EVERY, AT)
    assert [sink.name for sink in sinks] == ["events", "webhooks", "mail", "archive"]
    entries = [call["Entries"][0] for call in bus.calls]
    assert {(one["Source"], one["DetailType"]) for one in entries} == {("bonafide", "Bonafide Incident")}
    told = [json.loads(one["Detail"]) for one in entries]
    for document in told:
        jsonschema.validate(document, SCHEMA)
    assert [one["type"] for one in told] == [f"incident.{what}" for what in ("opened", "grew", "ended", "closed")]
    assert [json.loads(body)["document"] for body in queues.bodies("q")] == told
    assert len(mail.calls) == 4
    assert [json.loads(call["Body"])["metadata"]["uid"] for call in bucket.calls] == [one["id"] for one in told]
    assert KEY not in json.dumps([bus.calls, mail.calls, queues.bodies("q")]) + str(bucket.calls)


def test_change_that_comes_again_has_its_id_and_another_has_not() -> None:
    """By it receivers, buckets and SIEMs know it; an incident that comes back after an end is another one."""
    ids = [told.id for _, told in events_of(EVERY, "prod")]
    assert ids == [told.id for _, told in events_of(EVERY, "prod")]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {told.id for _, told in events_of(EVERY, "staging")}


def test_incident_of_all_apps_has_no_app() -> None:
    """Every webhook is told of it."""
    (change,) = changes(Happened.OPENED, app="")
    assert change.incident.app == ALL_APPS
    ((app, told),) = events_of((change,), "prod")
    assert app == told.document["data"]["incident"]["app"] == ""
    queues = FakeQueues()
    WebhookSink(SqsQueue(queues, "q"), "prod").take((change,), AT)
    assert json.loads(queues.bodies("q")[0])["app"] == ""


def test_mail_is_plain_and_its_subject_short() -> None:
    """SNS takes a hundred characters of ASCII without line ends; texts are those of phones."""
    mail = Fake()
    change = Change("x", Happened.OPENED, AT, incident(title="Zu viel — ünd\r\nBcc: x@example.com " + "x" * 300))
    MailSink(mail, "topic", "prod").take((change,), AT)
    (call,) = mail.calls
    assert len(call["Subject"]) <= 100
    assert call["Subject"].isascii()
    assert "\n" not in call["Subject"]
    assert call["TopicArn"] == "topic"
    assert "What to do: Block them." in call["Message"]
    assert f"bonafide incident show {change.incident.id} --app demo" in call["Message"]


@pytest.mark.parametrize("kind", ["events", "webhooks", "mail", "archive"])
def test_service_that_fails_is_unavailable_and_all_comes_again(kind: str) -> None:
    """The caller tells this one again a minute later, and the others not."""
    fails = Fake(ClientError({"Error": {"Code": "ThrottlingException"}}, "call"))
    sinks: dict[str, IncidentSink] = {
        "events": EventSink(fails, "prod"),
        "webhooks": WebhookSink(SqsQueue(fails, "q"), "prod"),
        "mail": MailSink(fails, "topic", "prod"),
        "archive": ArchiveSink(fails, "bucket", "prod"),
    }
    with pytest.raises(Unavailable, match="ThrottlingException"):
        sinks[kind].take(EVERY, AT)


def test_event_that_the_bus_did_not_take_is_not_told() -> None:
    """PutEvents answers 200 and says in the answer that an entry failed."""
    answer = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    with pytest.raises(Unavailable, match="InternalFailure"):
        EventSink(Fake(answer), "prod").take(EVERY, AT)
