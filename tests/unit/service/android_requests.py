"""Requests of an Android phone, and the refusals they meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devkit.devices.key_store_installation import AndroidInstallation
from tests.service_stack.events import slug_of
from tests.service_stack.memory_stack import (
    MemoryStack,
)

Body = dict[str, Any]

Lines = Callable[[], list[dict[str, Any]]]


def sent(stack: MemoryStack, path: str, body: Body, log_lines: Lines) -> tuple[int, str, dict[str, Any]]:
    """Status, slug and the decision line of a request; a refusal must change nothing, but for notes on a key."""
    keys, spent = stack.attested_keys.unnoted(), set(stack.redemption.spent)
    log_lines()
    answer = stack.send("POST", path, body)
    if answer["statusCode"] >= 400:
        assert (stack.attested_keys.unnoted(), stack.redemption.spent) == (keys, spent)
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    return answer["statusCode"], slug_of(answer), decision


def enrolment(stack: MemoryStack, phone: AndroidInstallation, **changes: Any) -> Body:
    return phone.attestation_body(phone.client_data(stack.challenge(phone.app)), **changes)


def renewal(stack: MemoryStack, phone: AndroidInstallation, **changes: Any) -> Body:
    return phone.renewal_body(phone.client_data(stack.challenge(phone.app)), **changes)


def refused(stack: MemoryStack, path: str, body: Body, log_lines: Lines) -> tuple[int, str, str]:
    status, slug, decision = sent(stack, path, body, log_lines)
    return status, slug, decision["reason"]
