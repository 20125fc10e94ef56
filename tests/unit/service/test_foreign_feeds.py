"""Another product's keys in trust bundles: fetched by the hourly run, carried on by all others, never lost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bonafide_tokens.trust_bundle import TrustBundle
from service.keys.carried_keys import carried_keys
from service.keys.foreign_feeds import ForeignFeed

from tests.service_stack.memory_stack import NOW, MemoryStack
from tests.unit.passes.ci_system import rsa_jwk, rsa_key

SERVED = {"keys": [{**rsa_jwk(rsa_key("firebase"), "f1"), "x5t": "left out"}, {"kty": "oct", "kid": "o1", "k": "AAAA"}]}
TAKEN = {"app-check": {"keys": [rsa_jwk(rsa_key("firebase"), "f1")]}}


def published(stack: MemoryStack, served: bytes | None, *, carried: bool = False) -> TrustBundle:
    keys = carried_keys if carried else ForeignFeed(lambda: served).keys
    return replace(stack.rotation.publisher, foreign_keys=keys).publish(now=NOW)


def test_keys_are_fetched_and_carried_on(stack: MemoryStack) -> None:
    """Only what a check needs, and only keys that it can use."""
    assert published(stack, json.dumps(SERVED).encode()).foreign_keys == TAKEN
    assert published(stack, None, carried=True).foreign_keys == TAKEN


@pytest.mark.parametrize("served", [None, b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "RSA"}]}', b"<html>"])
def test_what_cannot_be_read_leaves_the_keys_of_before(served: bytes | None, stack: MemoryStack) -> None:
    """An outage of theirs takes nothing from ours, and the bundle is published."""
    published(stack, json.dumps(SERVED).encode())
    assert published(stack, served).foreign_keys == TAKEN


def test_bundle_of_a_stack_without_the_setting_has_none(stack: MemoryStack) -> None:
    published(stack, json.dumps(SERVED).encode())
    assert stack.rotation.publisher.publish(now=NOW).foreign_keys == {}
