"""events/<function>/<case>.json: each is valid for ``sam local invoke``, and is answered as its name says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import describe_caller
import publish_bundle
import pytest
import rotate_signing_key
from pydantic import ValidationError
from service.roots.accepted import StackRoots

from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import MemoryStack

EVENTS = Path(__file__).parents[3] / "events"
REST = (
    *("issue_challenge", "appraise_evidence", "renew_token", "report_signal", "report_failure", "release_secrets"),
    "serve_policy",
    "describe_caller",
)
FILES = sorted(path for function in REST for path in (EVENTS / function).glob("*.json"))
ROTATIONS = sorted((EVENTS / "rotate_signing_key").glob("*.json"))
PUBLICATIONS = sorted((EVENTS / "publish_bundle").glob("*.json"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def event_of(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return event


@pytest.mark.parametrize("function", [*REST, "rotate_signing_key"])
def test_every_function_has_events(function: str) -> None:
    """A newcomer to a function can invoke it at once."""
    assert len(list((EVENTS / function).glob("*.json"))) >= 3


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_event_has_the_shape_that_api_gateway_sends(path: Path) -> None:
    """REST proxy events, payload 1.0: the same members as in all tests."""
    event, model = event_of(path), rest_event("GET", "/")
    assert event.keys() == model.keys()
    assert event["requestContext"].keys() >= model["requestContext"].keys()
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
    assert event["requestContext"]["resourcePath"] == event["resource"]
    assert event["resource"].format_map(event["pathParameters"] or {}) == event["path"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_event_is_answered_with_the_status_in_its_name(stack: MemoryStack, path: Path) -> None:
    """The three digits that the file's name begins with."""
    event = event_of(path)
    if path.parent.name == "describe_caller":
        answer: Mapping[str, Any] = describe_caller.handler(event, None)
    else:
        stack.publish_client_policy()
        answer = stack.handlers[event["httpMethod"], event["resource"]](event, None)
    assert answer["statusCode"] == int(path.stem[:3])


@pytest.mark.parametrize("path", ROTATIONS, ids=name_of)
def test_rotation_event_is_carried_out(stack: MemoryStack, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick and a create publish, a rotation makes keys, a delete leaves everything."""
    sent: list[bytes] = []

    def wired(_env: object) -> tuple[object, ...]:
        return stack.rotation, stack.marker, StackRoots(stack.root_key), None, stack.facts.rotation

    monkeypatch.setattr(rotate_signing_key, "wire", wired)
    monkeypatch.setattr("rotate_signing_key.time.sleep", lambda _seconds: None)
    monkeypatch.setattr("service.edge.custom_resource._put", lambda _url, body: sent.append(body))
    monkeypatch.setattr("rotate_signing_key.time.time", lambda: stack.now + 3600)
    answer = rotate_signing_key.handler(event_of(path), None)
    assert len(stack.trust_bundles.rows) == (1 if path.stem == "custom_resource_delete" else 2)
    assert ("token-2" in stack.signing_keys.rows) is (path.stem == "rotate")
    if path.stem.startswith("custom_resource"):
        assert answer["Status"] == "SUCCESS"
        assert len(sent) == 1
    else:
        assert answer["BundleVersion"] == 2


@pytest.mark.parametrize("path", PUBLICATIONS, ids=name_of)
def test_publication_event_publishes_and_touches_no_key(
    stack: MemoryStack, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due a rotation stays due: nothing but a bundle comes of it."""
    assert {one.stem for one in PUBLICATIONS} == {"follow", "gather", "publish"}
    keys, slept = dict(stack.signing_keys.rows), list[float]()
    monkeypatch.setattr(publish_bundle, "wire", lambda _env: (stack.rotation.publisher, stack.marker, None))
    monkeypatch.setattr("publish_bundle.time.sleep", slept.append)
    monkeypatch.setattr("publish_bundle.time.time", lambda: stack.now + 40 * 86_400)
    answer = publish_bundle.handler(event_of(path), None)
    # A stack of one region has nothing to follow.
    assert answer == ({} if path.stem == "follow" else {"BundleVersion": 2, "Kids": ["token-1"], "Paced": []})
    assert stack.signing_keys.rows == keys
    assert bool(slept) is (path.stem == "gather")


@pytest.mark.parametrize("event", [{}, {"action": "tick"}, {"action": "rotate"}, {"action": "publish", "now": 1}])
def test_publisher_does_nothing_else(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a hole in a function that may have bundles published makes signing keys come and go."""
    monkeypatch.setattr(publish_bundle, "wire", lambda _env: pytest.fail("nothing is read for it"))
    with pytest.raises(ValidationError):
        publish_bundle.handler(event, None)
