"""CloudFormation is always answered: with the data, or with a failure."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
import refresh_endorsements
import rotate_signing_key
from bonafide_tokens.jose import b64url_encode
from service.edge.custom_resource import (
    TELLING,
    CustomResourceRequest,
    answer_custom_resource,
    seconds_left,
    settings_hash,
)
from service.errors import Unavailable
from service.roots.accepted import StackRoots
from service.settings import SettingsError

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT
from tests.service_stack.memory_stack import NOW, MemoryStack

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "https://cloudformation-custom-resource-response.example/answer?signature=abc",
    "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/unit/1",
    "RequestId": "request-1",
    "LogicalResourceId": "FirstSigningKey",
    "ResourceType": "Custom::FirstSigningKey",
    "ResourceProperties": {"ServiceToken": "arn:aws:lambda:eu-central-1:123456789012:function:rotate"},
}


def answered(event: Mapping[str, Any], work: Any, **more: Any) -> dict[str, Any]:
    """What CloudFormation was told."""
    sent: list[tuple[str, bytes]] = []
    answer = answer_custom_resource(
        CustomResourceRequest.model_validate(event), work, put=lambda url, body: sent.append((url, body)), **more
    )
    ((url, body),) = sent
    assert url == EVENT["ResponseURL"]
    told: dict[str, Any] = json.loads(body)
    assert told == answer
    return told


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_work_that_succeeds_hands_over_its_data(kind: str) -> None:
    """The authorizer's environment gets the root public key from here."""
    told = answered({**EVENT, "RequestType": kind}, lambda: {"RootPublicKey": "point"})
    assert told == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "FirstSigningKey",
        "StackId": EVENT["StackId"],
        "RequestId": "request-1",
        "LogicalResourceId": "FirstSigningKey",
        "Data": {"RootPublicKey": "point"},
    }


@pytest.mark.parametrize(
    "error", [Unavailable("kms:Sign: AccessDenied"), SettingsError("STAGE"), RuntimeError("secret")]
)
def test_work_that_fails_is_reported_as_failed(error: Exception) -> None:
    """A stack that hangs for an hour is worse than one that rolls back; the text is for people, without data."""

    def work() -> Mapping[str, object]:
        raise error

    told = answered(EVENT, work)
    assert told["Status"] == "FAILED"
    assert type(error).__name__ in told["Reason"]
    assert "secret" not in told["Reason"]


def test_work_that_takes_too_long_is_reported_as_failed() -> None:
    """A function that Lambda kills does not answer, and the stack hangs for an hour. Its work is given up in time."""
    release = threading.Event()

    def work() -> Mapping[str, object]:
        release.wait(30)
        return {}

    try:
        told = answered(EVENT, work, seconds=TELLING + 0.05)
    finally:
        release.set()
    assert (told["Status"], "Data" in told) == ("FAILED", False)
    assert "WorkTookTooLong" in told["Reason"]


@pytest.mark.parametrize("error", [None, Unavailable("kms:Sign: AccessDenied"), SystemExit(1)])
def test_work_within_its_time_is_reported_as_it_went(error: BaseException | None) -> None:
    """With a limit as without one, whatever the work raises."""

    def work() -> Mapping[str, object]:
        if error is not None:
            raise error
        return {"RootPublicKey": "point"}

    told = answered(EVENT, work, seconds=60.0)
    assert told["Status"] == ("SUCCESS" if error is None else "FAILED")


@pytest.mark.parametrize("function", ["RefreshEndorsementsFunction", "RotateSigningKeyFunction"])
def test_time_of_the_function_holds_its_work_and_the_telling(function: str) -> None:
    """A whole fetch and two slow calls of the table fit in before the time is up."""
    timeout = read_template(ROOT / "template.yaml")["Resources"][function]["Properties"]["Timeout"]
    assert timeout - TELLING >= refresh_endorsements.TIMEOUT + 2 * 10


def test_telling_ends_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that takes every connection and answers none: the attempts stop in time for Lambda to log them."""
    now = [0.0]

    def urlopen(_request: object, timeout: float) -> None:
        now[0] += 3 * timeout
        raise TimeoutError

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr("service.edge.custom_resource.time.monotonic", lambda: now[0])
    monkeypatch.setattr("service.edge.custom_resource.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with pytest.raises(TimeoutError):
        answer_custom_resource(CustomResourceRequest.model_validate(EVENT), dict)
    assert 10 < now[0] <= TELLING


def test_time_left_is_lambdas_word() -> None:
    """And without Lambda there is no limit."""

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 59_500

    assert (seconds_left(Context()), seconds_left(None)) == (59.5, None)


def test_delete_does_no_work() -> None:
    """Deleting a stack must not depend on keys or tables that may be gone already."""

    def work() -> Mapping[str, object]:
        raise AssertionError("no work on delete")

    told = answered({**EVENT, "RequestType": "Delete", "PhysicalResourceId": "older-id"}, work)
    assert (told["Status"], told["PhysicalResourceId"]) == ("SUCCESS", "older-id")


def test_answer_is_put_with_an_empty_content_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presigned URL is signed for no content type; urllib's default would break the signature."""
    requests: list[urllib.request.Request] = []

    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def read(self, _size: int) -> bytes:
            return b""

    def urlopen(request: urllib.request.Request, timeout: float) -> Answer:
        requests.append(request)
        if len(requests) < 3:
            raise urllib.error.URLError("not now")
        return Answer()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr("service.edge.custom_resource.time.sleep", lambda _seconds: None)
    answer_custom_resource(CustomResourceRequest.model_validate(EVENT), dict)
    assert len(requests) == 3  # it is tried again
    assert requests[0].get_method() == "PUT"
    assert requests[0].get_header("Content-type") == ""


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.test/x", ""])
def test_answer_goes_to_http_addresses_only(url: str) -> None:
    """A response URL is the caller's text."""
    request = CustomResourceRequest.model_validate({**EVENT, "ResponseURL": url})
    with pytest.raises(ValueError, match="ResponseURL"):
        answer_custom_resource(request, dict)


def test_rotation_hands_over_the_root_public_key(stack: MemoryStack) -> None:
    """base64url of the 65-byte point, the only key that a relying party has to trust."""
    data = rotate_signing_key.rotate_keys(
        action="tick", rotation=stack.rotation, debounce=stack.marker, roots=StackRoots(stack.root_key), now=NOW + 1
    )
    assert data == {
        "RootPublicKey": b64url_encode(stack.root_key.public_key().point),
        "BundleVersion": 2,
        "Kids": ["token-1"],
    }


@pytest.mark.parametrize("event", [{}, {"action": "destroy"}, {"action": "rotate", "extra": 1}, {"action": None}])
def test_unknown_action_is_refused(event: dict[str, object]) -> None:
    """An operator's typing error does not rotate keys."""
    with pytest.raises(ValueError, match="RotationRequest"):
        rotate_signing_key.handler(event, None)


def test_settings_of_functions_are_hashed_and_no_key_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a single variable, table or key: what is told is all that is needed."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr("service.edge.custom_resource._put", lambda _url, body: sent.append(json.loads(body)))
    monkeypatch.setattr(rotate_signing_key, "wire", lambda _env: pytest.fail("no key is needed"))
    properties = {"ServiceToken": "arn", "RenewToken": {"KEY_IDLE_DAYS": "90", "STAGE": "dev"}}
    event = {**EVENT, "ResourceType": "Custom::FunctionSettings", "ResourceProperties": properties}
    rotate_signing_key.handler(event, None)
    assert sent[0]["Data"] == {"Hash": settings_hash(properties)}
    assert re.fullmatch("[0-9a-f]{32}", sent[0]["Data"]["Hash"])


def test_hash_differs_with_every_setting_and_with_nothing_else() -> None:
    """The same settings, in any order, make no new version; one that moves to another name does."""
    settings = {"A": {"X": "1", "Y": ""}, "B": {"X": "1"}}
    same = {"B": {"X": "1"}, "A": {"Y": "", "X": "1"}}
    others: list[dict[str, Any]] = [
        {"A": {"X": "1", "Y": " "}, "B": {"X": "1"}},
        {"A": {"X": "", "Y": "1"}, "B": {"X": "1"}},
        {"A": {"X": "1", "Y": "", "B": {"X": "1"}}},
        {"A": {"X": "1"}, "B": {"X": "1"}},
        {},
    ]
    assert settings_hash(same) == settings_hash(settings)
    assert len({settings_hash(settings), *map(settings_hash, others)}) == 1 + len(others)
