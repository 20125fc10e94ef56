"""The API client when answers get lost: it sends the same bytes again, or renews, and ends with a token."""

from __future__ import annotations

from typing import Any

import pytest

from devkit.devices.client import Answer, ApiClient, StackUnreachable, UnexpectedAnswer
from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import MemoryStack


class Lossy(ApiClient):
    """Speaks with a stack in memory. The answers to the requests numbered in ``lost`` (from 0) never arrive."""

    def __init__(self, stack: MemoryStack, *lost: int) -> None:
        super().__init__(verifier_url="http://verifier.test", guarded_url="http://guarded.test")
        object.__setattr__(self, "stack", stack)
        object.__setattr__(self, "lost", lost)
        object.__setattr__(self, "sent", [])

    def _send_once(self, method: str, url: str, *, body: bytes | None, **_more: Any) -> Answer:
        sent: list[tuple[str, bytes | None]] = self.sent  # type: ignore[attr-defined]
        path = url.removeprefix(self.verifier_url)
        event = rest_event(method, path) | {"body": None if body is None else body.decode()}
        reply = self.stack.handlers[method, path](event, None)  # type: ignore[attr-defined]
        sent.append((path, body))
        if len(sent) - 1 in self.lost:  # type: ignore[attr-defined]
            raise StackUnreachable("The answer was lost.")
        return Answer(reply["statusCode"], {}, reply["body"].encode(), 1.0)

    @property
    def paths(self) -> list[str]:
        """Where requests went."""
        return [path for path, _ in self.sent]  # type: ignore[attr-defined]


@pytest.fixture
def stack() -> MemoryStack:
    """A fresh stack."""
    return MemoryStack()


@pytest.mark.parametrize("platform", ["installation", "android", "harmony"])
def test_lost_enrolment_is_sent_again_byte_by_byte(stack: MemoryStack, platform: str) -> None:
    """And gets its token."""
    client, app = Lossy(stack, 1), getattr(stack, platform)()
    assert client.attest(app).token
    assert client.paths == ["/v1/challenges", "/v1/attestations", "/v1/attestations"]
    assert client.sent[1] == client.sent[2]  # type: ignore[attr-defined]
    assert len(stack.attested_keys.rows) == 1


def test_key_that_enrolled_too_long_ago_renews(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes come after the challenge's life."""
    client, app = Lossy(stack, 1), stack.installation()
    send = Lossy._send_once

    def late(self: Lossy, *arguments: Any, **more: Any) -> Answer:
        if len(self.paths) == 2:
            stack.now += 3_600
        return send(self, *arguments, **more)

    monkeypatch.setattr(Lossy, "_send_once", late)
    assert client.attest(app).token
    assert client.paths[2:] == ["/v1/attestations", "/v1/challenges", "/v1/tokens"]


def test_lost_renewal_is_made_anew_with_a_fresh_challenge(stack: MemoryStack) -> None:
    """The same bytes hear that their challenge is spent."""
    client, app = Lossy(stack, 2), stack.installation()
    session = client.attest(app)
    assert client.renew(app, session.next_challenge).token
    assert client.paths[2:] == ["/v1/tokens", "/v1/tokens", "/v1/challenges", "/v1/tokens"]


def test_renewal_that_is_refused_again_is_given_up(stack: MemoryStack) -> None:
    """No loop."""
    client, app = Lossy(stack), stack.installation()
    session = client.attest(app)
    client.renew(app, session.next_challenge)
    object.__setattr__(client, "challenge", lambda _app: session.next_challenge)
    with pytest.raises(UnexpectedAnswer, match="409 challenge-unusable"):
        client.renew(app, session.next_challenge)
    assert client.paths[-2:] == ["/v1/tokens", "/v1/tokens"]
