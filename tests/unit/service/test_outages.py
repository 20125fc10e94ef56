"""Outages: DynamoDB or KMS down at each step is 503 try-later; no nonce is spent, no token minted, nothing stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from service.keys.key_ring import PATIENCE, REREAD

from tests.service_stack.events import json_of, slug_of
from tests.service_stack.memory_stack import MemoryStack

Prepared = tuple[str, dict[str, Any], int]


def attestation(stack: MemoryStack) -> Prepared:
    installation = stack.installation()
    body = installation.attestation_body(installation.client_data(stack.challenge()))
    return "/v1/attestations", body, 201


def renewal(stack: MemoryStack) -> Prepared:
    installation = stack.installation()
    stack.enrol(installation)
    return "/v1/tokens", installation.renewal_body(installation.client_data(stack.challenge())), 200


def challenge(_stack: MemoryStack) -> Prepared:
    return "/v1/challenges", {"app": "demo"}, 201


COLD = [
    (challenge, "signing_keys"),
    (challenge, "wrapping"),
    (attestation, "signing_keys"),
    (attestation, "wrapping"),
    (attestation, "apps"),
    (attestation, "redemption"),
    (renewal, "signing_keys"),
    (renewal, "wrapping"),
    (renewal, "attested_keys"),
    (renewal, "apps"),
    (renewal, "redemption"),
]


@pytest.mark.parametrize(("prepare", "part"), COLD, ids=lambda value: getattr(value, "__name__", value))
def test_part_down_at_a_cold_start_consumes_nothing(
    stack: MemoryStack, prepare: Callable[[MemoryStack], Prepared], part: str
) -> None:
    """Whatever is down: 503, and the very same request succeeds once it is back. Nothing had been consumed."""
    path, body, success = prepare(stack)
    stack.restart()
    before = dict(stack.attested_keys.rows), set(stack.redemption.spent)
    getattr(stack, part).down = True
    answer = stack.send("POST", path, body)
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    assert int(answer["headers"]["Retry-After"]) > 0
    assert json_of(answer)["retry"] == "later"
    assert "token" not in json_of(answer)
    assert (dict(stack.attested_keys.rows), set(stack.redemption.spent)) == before
    getattr(stack, part).down = False
    stack.now += PATIENCE + 1
    assert stack.send("POST", path, body)["statusCode"] == success


@pytest.mark.parametrize("prepare", [challenge, attestation, renewal], ids=lambda value: value.__name__)
@pytest.mark.parametrize("part", ["signing_keys", "wrapping"])
def test_keys_in_memory_ride_out_an_outage(
    stack: MemoryStack, prepare: Callable[[MemoryStack], Prepared], part: str
) -> None:
    """A warm process needs neither the signing_keys table nor KMS to serve."""
    for warming in (attestation, renewal):
        warm_path, warm_body, warm_success = warming(stack)
        assert stack.send("POST", warm_path, warm_body)["statusCode"] == warm_success
    path, body, success = prepare(stack)
    getattr(stack, part).down = True
    stack.now += REREAD + 1
    assert stack.send("POST", path, body)["statusCode"] == success


@pytest.mark.parametrize("path", ["/v1/trust-bundle", "/.well-known/jwks.json"])
def test_documents_are_served_from_memory_while_the_table_is_down(stack: MemoryStack, path: str) -> None:
    """A bundle stays good until it expires; after that there is nothing to serve."""
    assert stack.send("GET", path)["statusCode"] == 200
    stack.trust_bundles.down = True
    stack.now += 21_599
    assert stack.send("GET", path)["statusCode"] == 200
    stack.now += 1
    assert slug_of(stack.send("GET", path)) == "try-later"


@pytest.mark.parametrize("path", ["/v1/trust-bundle", "/.well-known/jwks.json"])
def test_documents_of_a_cold_process_need_the_table(stack: MemoryStack, path: str) -> None:
    """503, and 200 as soon as it answers again."""
    stack.restart()
    stack.trust_bundles.down = True
    assert slug_of(stack.send("GET", path)) == "try-later"
    stack.trust_bundles.down = False
    stack.now += 2
    assert stack.send("GET", path)["statusCode"] == 200
