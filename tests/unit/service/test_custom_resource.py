"""CloudFormation is always answered: with the data, or with a failure."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
import rotate_signing_key
from attestation.jose import b64url_encode
from service.custom_resource import CustomResourceRequest, answer_custom_resource
from service.errors import Unavailable
from service.settings import SettingsError

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


def answered(event: Mapping[str, Any], work: Any) -> dict[str, Any]:
    """What CloudFormation was told."""
    sent: list[tuple[str, bytes]] = []
    answer = answer_custom_resource(
        CustomResourceRequest.model_validate(event), work, put=lambda url, body: sent.append((url, body))
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
    monkeypatch.setattr("service.custom_resource.time.sleep", lambda _seconds: None)
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
    data = rotate_signing_key.rotate_keys(action="tick", rotation=stack.rotation, root_key=stack.root_key, now=NOW + 1)
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
