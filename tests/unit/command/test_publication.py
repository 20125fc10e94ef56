"""Publishing on demand: what an operator is told when it works, when it is slow, and when it fails."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

from bonafide.operator import publication
from bonafide.operator.deployment import ROTATE_FUNCTION, Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.publication import Publication, invoke_rotation, publication_of


class Lambda:
    """The part of boto3's `lambda` client that is used."""

    def __init__(self, payload: object, error: str | None = None) -> None:
        self.payload, self.error = payload, error
        self.events: list[object] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "rotate"
        self.events.append(json.loads(Payload))
        answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(self.payload).encode())}
        return {**answer, "FunctionError": self.error} if self.error else answer


class Stack(Deployment):
    """A deployment whose AWS is a fake."""

    def aws(self, service: str) -> Any:
        assert service == "lambda"
        return FAKES[self.stack_name]


FAKES: dict[str, Lambda] = {}


def stack(answer: Lambda, functions: dict[str, str] | None = None) -> Stack:
    FAKES["stack"] = answer
    return Stack(
        verifier_url="http://127.0.0.1:9",
        guarded_url="",
        region=None,
        stack_name="stack",
        issuer="i",
        audience="a",
        tables={},
        functions={ROTATE_FUNCTION: "rotate"} if functions is None else functions,
        wrapping_key_id="k",
    )


def published(answer: dict[str, Any]) -> Publication:
    """What an operator is told of an answer of the Admin API's."""
    return publication_of(stack(Lambda({})), answer, since=time.monotonic())


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_PAUSE", 0.0)
    monkeypatch.setattr(publication, "_PATIENCE", 0.2)


def test_publication_waits_until_its_version_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server remembers the bundle before for a moment; a later version than ours will do."""
    versions = iter((6, 6, 8))
    monkeypatch.setattr(publication, "served_version", lambda _deployment: next(versions))
    made = published({"bundle_version": 7})
    assert made.version == 7
    assert made.served is not None
    assert "served after" in str(made)


def test_publication_that_is_not_seen_is_no_failure() -> None:
    """Nothing answers at the verifier's address: the bundle is out all the same."""
    made = published({"bundle_version": 7})
    assert made.served is None
    assert "is not served yet" in str(made)


@pytest.mark.parametrize("answer", [{"published": False, "bundle_version": None}, {}])
def test_publication_that_fails_says_that_the_change_is_stored(answer: dict[str, Any]) -> None:
    """And that the same command again is the way on."""
    with pytest.raises(OperatorError, match=r"The change is stored.*run the command again"):
        published(answer)


def test_error_document_without_a_mark_is_noticed() -> None:
    """The local Lambda endpoint marks errors as AWS does; one that does not is still no success."""
    with pytest.raises(OperatorError, match="failed with Unavailable"):
        invoke_rotation(stack(Lambda({"errorType": "Unavailable", "errorMessage": ""})), {"action": "tick"})


def test_stack_without_the_function_is_said() -> None:
    """One sentence instead of a KeyError."""
    with pytest.raises(OperatorError, match=ROTATE_FUNCTION):
        invoke_rotation(stack(Lambda({}), {}), {"action": "tick"})
