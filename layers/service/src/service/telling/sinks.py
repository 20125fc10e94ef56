"""Those who are told of incidents outside the stack: EventBridge, webhooks, mail, the archive.

Each takes the same changes by itself: what one cannot take now comes to it again, and to no other. A change that comes
again has the same event with the same id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from service.aws import unavailable_on_failure
from service.detection.finding import ALL_APPS
from service.errors import Unavailable
from service.incidents.incident import Change, Happened
from service.telling.incident_event import Change as Kind
from service.telling.incident_event import Told, event_of
from service.telling.messages import event_message
from service.telling.ocsf import finding_of, place_of
from service.telling.queues import SqsQueue

SOURCE: Final = "bonafide"
DETAIL_TYPE: Final = "Bonafide Incident"

_KINDS: Final = {
    Happened.OPENED: Kind.OPENED,
    Happened.GREW: Kind.GREW,
    Happened.ENDED: Kind.ENDED,
    Happened.CLOSED: Kind.CLOSED,
}
"""What is told. That an incident was updated is for documents, not for people."""
_SUBJECT: Final = 100  # characters, which SNS takes


def events_of(changes: tuple[Change, ...], stack: str) -> Iterator[tuple[str, Told]]:
    """The events of ``changes`` that are told, each with its app: empty for all apps."""
    for change in changes:
        kind = _KINDS.get(change.what)
        if kind is None:
            continue
        record = change.incident.to_record()
        app = "" if change.incident.app == ALL_APPS else change.incident.app
        name = f"{change.incident.opened_at}/{change.id}"
        yield app, event_of(kind, {**record, "app": app}, stack=stack, at=change.at, name=name)


@dataclass(frozen=True, slots=True)
class EventSink:
    """Puts an event on the account's default bus, for rules of the team's own."""

    client: Any
    stack: str
    name: ClassVar[str] = "events"

    def take(self, changes: tuple[Change, ...], now: float) -> None:  # noqa: ARG002 - events have their own time
        for _, told in events_of(changes, self.stack):
            entry = {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": told.text}
            with unavailable_on_failure("events:PutEvents"):
                answer = self.client.put_events(Entries=[entry])
            if answer.get("FailedEntryCount"):
                raise Unavailable(f"events:PutEvents: {answer['Entries'][0].get('ErrorCode', 'failed')}")


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """Has every webhook told, by ``deliver_webhooks``."""

    queue: SqsQueue
    stack: str
    name: ClassVar[str] = "webhooks"

    def take(self, changes: tuple[Change, ...], now: float) -> None:  # noqa: ARG002
        for app, told in events_of(changes, self.stack):
            self.queue.send(event_message(told, app=app))


@dataclass(frozen=True, slots=True)
class MailSink:
    """Has it mailed, by SNS: plain text, without links."""

    client: Any
    topic: str
    stack: str
    name: ClassVar[str] = "mail"

    def take(self, changes: tuple[Change, ...], now: float) -> None:  # noqa: ARG002
        for _, told in events_of(changes, self.stack):
            subject, text = mail_of(told)
            with unavailable_on_failure("sns:Publish"):
                self.client.publish(TopicArn=self.topic, Subject=subject, Message=text)


@dataclass(frozen=True, slots=True)
class ArchiveSink:
    """Keeps a finding of the Open Cybersecurity Schema Framework in the bucket of decisions, for a SIEM."""

    client: Any
    bucket: str
    stack: str
    name: ClassVar[str] = "archive"

    def take(self, changes: tuple[Change, ...], now: float) -> None:  # noqa: ARG002
        for _, told in events_of(changes, self.stack):
            body = json.dumps(finding_of(told), separators=(",", ":"), ensure_ascii=True) + "\n"
            with unavailable_on_failure("s3:PutObject"):
                self.client.put_object(
                    Bucket=self.bucket, Key=place_of(told), Body=body.encode("ascii"), ContentType="application/json"
                )


def mail_of(told: Told) -> tuple[str, str]:
    """Subject and text of a mail: ASCII, in lines."""
    data = told.document["data"]
    incident = data["incident"]
    subject = f"[{data['severity']}] {data['summary']}".encode("ascii", "replace").decode()
    if len(subject) > _SUBJECT:
        subject = f"{subject[: _SUBJECT - 3]}..."
    named = [f"{name}: {value}" for name, value in {**incident["counts"], **incident["named"]}.items()]
    lines = [
        data["summary"],
        "",
        *incident["because"],
        "",
        f"Since {incident['since']}, last {incident['last']}; confidence {incident['confidence']}.",
        *([f"Closed because: {incident['closed_because']}"] if incident["closed_because"] else []),
        *named,
        "",
        f"What to do: {incident['remedy']['text']}",
        f"All of it: {incident['look']}",
        "",
        f"Stack {data['stack']}, event {told.id}",
    ]
    return subject, "\n".join(lines)
