"""Token lives under stress: who gets a longer one, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode, read_json_object
from service.admission.strain import FEWEST
from service.errors import Unavailable
from service.policies.store import Effect

from devkit.client_core.token_life import token_life
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, LIFETIME, MemoryStack

STRETCHED = 1_800
WARNS = """
@id("warned")
forbid (principal, action == Action::"affirm", resource);
"""


@pytest.fixture
def stretching(stack: MemoryStack) -> MemoryStack:
    stack.stressed_lifetime = STRETCHED
    stack.rotation = replace(stack.rotation, token_lifetime=STRETCHED)
    stack.restart()
    return stack


def declare(stack: MemoryStack, seconds: int) -> None:
    stack.apps.rows[APP] = replace(stack.apps.rows[APP], stressed_until=int(stack.now) + seconds)


def enrolled(stack: MemoryStack) -> dict[str, Any]:
    installation = stack.installation()
    answer = stack.send(
        "POST", "/v1/attestations", installation.attestation_body(installation.client_data(stack.challenge()))
    )
    assert answer["statusCode"] == 201, answer
    return dict(json_of(answer))


def life_of(answer: dict[str, Any]) -> int:
    claims: Any = read_json_object(b64url_decode(str(answer["token"]).split(".")[1]))
    assert claims["exp"] - claims["iat"] == answer["expires_in"], "what the token says is what the app is told"
    return int(answer["expires_in"])


def fail(stack: MemoryStack, what: str, times: int = FEWEST) -> None:
    for _ in range(times):
        with pytest.raises(Unavailable), stack.strain.watching():
            raise Unavailable(what)


def test_without_stress_nothing_is_stretched_nor_said(stretching: MemoryStack) -> None:
    answer = enrolled(stretching)
    assert life_of(answer) == LIFETIME
    assert "renew_after" not in answer


def test_an_operator_s_word_stretches_until_it_ends(stretching: MemoryStack) -> None:
    declare(stretching, 60)
    answer = enrolled(stretching)
    assert life_of(answer) == STRETCHED
    assert token_life(answer).renew_from == answer["renew_after"] == 0.85 * STRETCHED
    stretching.now += 61
    assert life_of(enrolled(stretching)) == LIFETIME


def test_trouble_stretches(stretching: MemoryStack) -> None:
    fail(stretching, "dynamodb:TransactWriteItems")
    assert life_of(enrolled(stretching)) == STRETCHED


def test_trouble_changes_nothing_where_no_longer_life_is_set(stack: MemoryStack) -> None:
    fail(stack, "dynamodb:TransactWriteItems")
    answer = enrolled(stack)
    assert life_of(answer) == LIFETIME
    assert "renew_after" not in answer


def test_an_operator_s_word_has_renewals_come_later_where_no_longer_life_is_set(stack: MemoryStack) -> None:
    declare(stack, 60)
    answer = enrolled(stack)
    assert life_of(answer) == LIFETIME
    assert answer["renew_after"] == int(0.85 * LIFETIME)


def test_a_shorter_life_than_always_stretches_none(stack: MemoryStack) -> None:
    stack.stressed_lifetime = LIFETIME // 2
    stack.restart()
    declare(stack, 60)
    assert life_of(enrolled(stack)) == LIFETIME


def test_what_is_warned_of_is_renewed_as_always(stretching: MemoryStack) -> None:
    """A device that only just passes must come before a stricter policy as soon as ever."""
    stretching.publishing.publish(
        APP,
        appraisal=WARNS + "permit (principal, action, resource);",
        why="warn",
        effect=Effect.NEXT_RENEWAL,
        expected_version=0,
        who="arn:aws:iam::111122223333:user/anna",
        now=stretching.now,
    )
    declare(stretching, 60)
    answer = enrolled(stretching)
    assert life_of(answer) == LIFETIME
    assert answer["renew_after"] == int(0.85 * LIFETIME)


def test_keys_that_retire_too_soon_for_a_longer_life_sign_the_usual_one(stretching: MemoryStack) -> None:
    """As in the hour in which the setting was changed: a key that is retiring was given no longer time."""
    declare(stretching, 60)
    for kid, row in list(stretching.signing_keys.rows.items()):
        if row.purpose.value == "token":
            stretching.signing_keys.rows[kid] = replace(row, retired_at=int(stretching.now) + LIFETIME + 60)
    stretching.restart()
    assert life_of(enrolled(stretching)) == LIFETIME
