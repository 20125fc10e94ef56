"""Which challenges count as come back with a renewal: those that were asked for, of keys that are enrolled."""

from __future__ import annotations

from typing import Any

import pytest
import renew_token

from devkit.devices.installation import Installation
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, MemoryStack

Counted = list[tuple[tuple[Any, ...], dict[str, Any]]]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What renewals have counted of challenges."""
    calls: Counted = []
    monkeypatch.setattr(renew_token, "count_decision", lambda *args, **named: calls.append((args, named)))
    return calls


def renewed(stack: MemoryStack, device: Installation, challenge: str) -> dict[str, Any]:
    return stack.send("POST", "/v1/tokens", device.renewal_body(device.client_data(challenge)))


def test_challenge_that_was_asked_for_is_counted_and_one_that_came_along_is_not(
    stack: MemoryStack, counted: Counted
) -> None:
    """An app in use renews by what its last answer brought; one that slept asks first."""
    device = stack.installation()
    challenge = stack.enrol(device)["next_challenge"]
    for _ in range(3):
        answer = renewed(stack, device, challenge)
        assert answer["statusCode"] == 200
        challenge = json_of(answer)["next_challenge"]
    assert counted == []
    assert renewed(stack, device, stack.challenge())["statusCode"] == 200
    said = {"at": stack.now, "app": APP, "outcome": "returned", "why": "", "facts": ()}
    assert counted == [(("challenge",), said)]


def test_refused_renewal_brought_its_challenge_back_too(stack: MemoryStack, counted: Counted) -> None:
    """The device was there: it is none of those that never came."""
    device = stack.installation()
    stack.enrol(device)
    data = device.client_data(stack.challenge())
    body = device.renewal_body(data)
    body["evidence"][0]["assertion"] = device.renewal_body(device.client_data(stack.challenge()))["evidence"][0][
        "assertion"
    ]
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 403
    assert len(counted) == 1


def test_strangers_count_nothing(stack: MemoryStack, counted: Counted) -> None:
    """The attack: renewals by keys that are not enrolled, to make the devices that never arrive look like none."""
    device, stranger = stack.installation(), stack.installation()
    stack.enrol(device)
    assert renewed(stack, stranger, stack.challenge())["statusCode"] == 404
    assert renewed(stack, device, "A" * 64)["statusCode"] == 409
    assert renewed(stack, device, stack.challenge("another-app"))["statusCode"] == 409
    assert counted == []
