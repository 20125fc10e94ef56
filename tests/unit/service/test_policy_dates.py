"""Policies that take effect at once: which tokens are refused from then on, to the second, whatever is under way.

A token escapes when it was judged by the old policy and is dated at or after the not-before. It is refused for nothing
when it was judged by the new one and is dated before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode, read_json_object
from service.policies.store import Effect, PolicyChange, PolicyHead

from devkit.devices.installation import Installation
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, MemoryStack

ANNA = "arn:aws:iam::111122223333:user/anna"
PERMIT = "permit (principal, action, resource);\n"
IssueToken = Callable[[], dict[str, Any]]


def publish_now(stack: MemoryStack) -> PolicyChange:
    return stack.publishing.publish(
        APP,
        appraisal=PERMIT,
        why="now",
        effect=Effect.NOW,
        expected_version=stack.policies.head(APP).latest,
        who=ANNA,
        now=stack.now,
    )


def claims(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] in (200, 201), answer
    return read_json_object(b64url_decode(str(json_of(answer)["token"]).split(".")[1]))


def not_before(stack: MemoryStack) -> int:
    found = stack.policies.not_before(APP)
    assert found is not None
    return found


@pytest.fixture(params=["enrol", "renew"])
def mint(request: pytest.FixtureRequest, stack: MemoryStack) -> IssueToken:
    """Asks for a token, by either function. What it sends is made before time goes on."""
    installation: Installation = stack.installation()
    if request.param == "enrol":
        body = installation.attestation_body(installation.client_data(stack.challenge()))
        return lambda: stack.send("POST", "/v1/attestations", body)
    stack.enrol(installation)
    body = installation.renewal_body(installation.client_data(stack.challenge()))
    return lambda: stack.send("POST", "/v1/tokens", body)


@pytest.mark.parametrize("into_the_second", [0.0, 0.3, 0.6, 0.999])
def test_token_of_the_same_second_by_the_old_policy_is_refused(
    stack: MemoryStack, mint: IssueToken, into_the_second: float
) -> None:
    """Times of tokens are whole seconds, and publishing happens in between."""
    stack.now += into_the_second
    old = claims(mint())
    publish_now(stack)
    assert old["policy_version"] == 0
    assert old["iat"] < not_before(stack)


@pytest.mark.parametrize("into_the_second", [0.0, 0.3, 0.6, 0.999])
def test_token_of_the_same_second_by_the_new_policy_is_good(
    stack: MemoryStack, mint: IssueToken, into_the_second: float
) -> None:
    """Its holder does not renew twice, and it is not dated into the future: minting waits for a moment."""
    stack.now += into_the_second
    publish_now(stack)
    began = stack.now
    new = claims(mint())
    assert new["policy_version"] == 1
    assert not_before(stack) <= new["iat"] <= stack.now
    assert stack.now - began <= 1.5


def test_request_that_read_the_old_policy_and_ends_after_publication_is_refused(
    stack: MemoryStack, mint: IssueToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a renewal held open while the policy changes. Its token has the date of before the head was read."""
    read = stack.policies.head

    def then_published(app: str) -> PolicyHead:
        head = read(app)
        monkeypatch.setattr(stack.policies, "head", read)
        publish_now(stack)
        stack.now += 5
        return head

    monkeypatch.setattr(stack.policies, "head", then_published)
    old = claims(mint())
    assert old["policy_version"] == 0
    assert old["iat"] < not_before(stack)


@pytest.mark.parametrize("held", [0.2, 0.6, 2.0, 9.0])
def test_request_during_a_slow_publication_is_refused(
    stack: MemoryStack, mint: IssueToken, monkeypatch: pytest.MonkeyPatch, held: float
) -> None:
    """The transaction takes longer than it should: a renewal that still read the old policy meanwhile has a token that
    is dated after the not-before that was meant. So that is put off until after the end."""
    move, minted = stack.policies.move, []

    def slow(change: PolicyChange) -> bool:
        stack.now += held
        minted.append(claims(mint()))
        return move(change)

    monkeypatch.setattr(stack.policies, "move", slow)
    outcome = publish_now(stack)
    (old,) = minted
    assert old["policy_version"] == 0
    assert old["iat"] < not_before(stack) == outcome.not_before == stack.policies.head(APP).tokens_from


@pytest.mark.parametrize("held", [0.95, 1.95])
def test_request_during_a_slow_publication_is_refused_by_a_clock_that_is_ahead(
    stack: MemoryStack, mint: IssueToken, monkeypatch: pytest.MonkeyPatch, held: float
) -> None:
    """The transaction ends a moment before the second that was meant; the function that still read the old policy has
    a clock that is a few milliseconds ahead, and dates its token into that second."""
    move, minted, ahead = stack.policies.move, [], 0.08

    def slow(change: PolicyChange) -> bool:
        stack.now += held + ahead
        minted.append(claims(mint()))
        stack.now -= ahead
        return move(change)

    monkeypatch.setattr(stack.policies, "move", slow)
    outcome = publish_now(stack)
    (old,) = minted
    assert old["policy_version"] == 0
    assert old["iat"] < not_before(stack) == outcome.not_before == stack.policies.head(APP).tokens_from


def test_request_that_began_before_publication_and_read_the_new_policy_is_good(
    stack: MemoryStack, mint: IssueToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began long ago (a vendor was slow): its own date would be too old, and its holder have to renew again."""
    read = stack.policies.head

    def published_first(app: str) -> PolicyHead:
        monkeypatch.setattr(stack.policies, "head", read)
        publish_now(stack)
        stack.now += 5
        return read(app)

    monkeypatch.setattr(stack.policies, "head", published_first)
    new = claims(mint())
    assert new["policy_version"] == 1
    assert not_before(stack) <= new["iat"] <= stack.now


def test_policy_that_takes_effect_far_ahead_of_the_clock_is_unavailable(stack: MemoryStack, mint: IssueToken) -> None:
    """A wrong clock: nothing is consumed, no request waits for minutes."""
    publish_now(stack)
    stack.policies.put_off(stack.policies.head(APP), int(stack.now) + 60, who=ANNA)
    keys, spent = stack.attested_keys.unnoted(), set(stack.redemption.spent)
    assert mint()["statusCode"] == 503
    assert (stack.attested_keys.unnoted(), stack.redemption.spent) == (keys, spent)


def test_policy_for_the_next_renewal_leaves_tokens_alone(stack: MemoryStack, mint: IssueToken) -> None:
    """No not-before, and no waiting."""
    stack.publishing.publish(APP, appraisal=PERMIT, why="w", expected_version=0, who=ANNA, now=stack.now)
    began = stack.now
    assert claims(mint())["policy_version"] == 1
    assert (stack.policies.not_before(APP), stack.now) == (None, began)
