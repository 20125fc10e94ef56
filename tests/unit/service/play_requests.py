"""Requests of an Android phone that sends Play Integrity tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.vendors.play_requests import day_of

from devkit.devices.key_store_installation import AndroidInstallation
from tests.service_stack.memory_stack import PACKAGE, MemoryStack
from tests.unit.service.android_requests import sent

Lines = Callable[[], list[dict[str, Any]]]

Body = dict[str, Any]


def enrolment(stack: MemoryStack, phone: AndroidInstallation, **changes: Any) -> Body:
    return phone.attestation_body(phone.client_data(stack.challenge(phone.app)), **changes)


def renewal(stack: MemoryStack, phone: AndroidInstallation) -> Body:
    return phone.renewal_body(phone.client_data(stack.challenge(phone.app)))


def enrolled(stack: MemoryStack, log_lines: Lines, **changes: Any) -> dict[str, Any]:
    """The decision line of an enrolment that must be accepted."""
    status, _, decision = sent(stack, "/v1/attestations", enrolment(stack, stack.android(**changes)), log_lines)
    assert status == 201
    return decision


def spent(stack: MemoryStack) -> int:
    return stack.play_requests.spent.get((PACKAGE, day_of(stack.now)), 0)
