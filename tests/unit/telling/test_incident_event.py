"""What is told: bounded, the same however often, without keys, networks or markup, and as documented."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service.telling.incident_event import MAX_EVENT_BYTES, TEST, Change, Severity, event_of, trial_event

from tests.service_stack.told_incidents import AT, KEY, incident
from tests.unit.telling.schema import SCHEMA


def told(
    change: Change = Change.OPENED, *, name: str = "one", at: float = AT, stack: str = "prod", **changed: Any
) -> dict[str, Any]:
    event = event_of(change, incident(**changed), stack=stack, at=at, name=name)
    assert json.loads(event.text) == event.document
    return dict(event.document)


@pytest.mark.parametrize("change", Change)
def test_event_is_as_documented(change: Change) -> None:
    """docs/incident-event.schema.json is what receivers build on."""
    closed = {"by": "arn:ann", "reason": "a test lab", "at": AT}
    document = told(change, closed=closed if change is Change.CLOSED else None, ended_at=AT)
    jsonschema.validate(document, SCHEMA)
    assert document["data"]["incident"]["closed_because"] == ("a test lab" if change is Change.CLOSED else None)


def test_trial_is_as_documented() -> None:
    """The same envelope, so that a receiver that takes it takes the others."""
    event = trial_event("pager", stack="prod", at=AT, drawn="x")
    jsonschema.validate(dict(event.document), SCHEMA)
    assert (event.document["type"], event.document["data"]["severity"]) == (TEST, "info")


def test_id_is_the_same_for_the_same_change_and_no_other() -> None:
    """Receivers tell a second copy by it, whenever it was told; two stacks have no id in common."""
    assert told()["id"] == told(at=AT + 60, title="Another.")["id"]
    assert len({told()["id"], told(name="two")["id"], told(stack="dev")["id"]}) == 3


@pytest.mark.parametrize("place", ["title", "because", "named", "closed", "remedy"])
@pytest.mark.parametrize("secret", [KEY, "ab" * 32, "203.0.113.77", "203.0.113.0/24", "2001:db8:1::/48"])
def test_no_key_certificate_or_network_is_told(place: str, secret: str) -> None:
    """The attack: a channel of another company names the phones of a team's customers. Wherever a detector puts it."""
    text = f"seen {secret}, twice"
    changed: dict[str, Any] = {
        "title": text,
        "because": [text],
        "named": {"model": text},
        "closed": {"by": "a", "reason": text, "at": AT},
        "remedy": {"kind": "look", "text": text, "rule": text, "command": text},
        "app": text,
    }
    document = json.dumps(told(**{place: changed[place]}))
    assert secret not in document
    assert KEY not in document
    assert "seen" in document


@pytest.mark.parametrize(
    "text",
    ['"} , "x": {"', "<!channel>", "<https://evil.example|click>", "@everyone now", "a\nb\x1b[31m", "`id`", "\\u0022"],
)
def test_words_of_phones_are_no_markup(text: str) -> None:
    """The attack: a model's name that breaks out of a template's text, alerts a whole channel or hides a link."""
    shown = told(named={"model": text}, title=f"Much of {text}.")
    for told_text in (shown["data"]["incident"]["named"]["model"], shown["data"]["summary"]):
        assert not set('"<>&`\\\n\x1b') & set(told_text)
        assert "@everyone" not in told_text
        assert "https://" not in told_text


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=3000),
    names=st.lists(st.text(max_size=200), max_size=40),
    confidence=st.floats(0, 1),
)
def test_event_is_bounded_whatever_an_incident_says(text: str, names: list[str], confidence: float) -> None:
    """EventBridge and receivers have limits; so have queues."""
    event = event_of(
        Change.CLOSED,
        incident(
            title=text,
            because=names * 3,
            named=dict.fromkeys(names, text),
            counts=dict.fromkeys(names, 10**15),
            remedy={"kind": "look", "text": text, "rule": text * 3, "command": text},
            closed={"by": text, "reason": text, "at": AT},
            confidence=confidence,
        ),
        stack="s",
        at=AT,
        name="x",
    )
    assert len(event.text.encode("ascii")) <= MAX_EVENT_BYTES
    jsonschema.validate(dict(event.document), SCHEMA)


@pytest.mark.parametrize(
    ("detector", "confidence", "change", "severity"),
    [
        ("key-farm", 0.9, Change.OPENED, Severity.ERROR),
        ("key-farm", 0.9, Change.GREW, Severity.CRITICAL),
        ("key-farm", 0.5, Change.OPENED, Severity.WARNING),
        ("spike", 0.9, Change.OPENED, Severity.WARNING),
        ("spike", 0.5, Change.OPENED, Severity.INFO),
        ("another-detector", 0.9, Change.GREW, Severity.ERROR),
    ],
)
def test_severity_says_how_urgent(detector: str, confidence: float, change: Change, severity: Severity) -> None:
    """Sure and hostile is an error; what grows is worse, what is unsure less."""
    assert told(change, detector=detector, confidence=confidence)["data"]["severity"] == severity
