"""A process under load goes by a head that it read up to half a second ago. A policy with effect now must leave no
token of the older one all the same, and make no app renew twice."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode, read_json_object
from service.policies.app_states import REMEMBERED
from service.policies.store import Effect, PolicyChange

from devkit.devices.installation import Installation
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, MemoryStack

ANNA = "arn:aws:iam::111122223333:user/anna"
PERMIT = "permit (principal, action, resource);\n"


class Load:
    """Renewals one after another, in one process, by one clock; every token that they got."""

    def __init__(self, stack: MemoryStack, chance: random.Random) -> None:
        self.stack, self.chance = stack, chance
        self.phones = [stack.installation() for _ in range(3)]
        for phone in self.phones:
            stack.enrol(phone)
        self.minted: list[Any] = []

    def go_on(self, seconds: float) -> None:
        """Renew for that long, some 25 times a second."""
        until = self.stack.now + seconds
        while self.stack.now < until:
            self.stack.now += self.chance.uniform(0.005, 0.075)
            self.renew(self.chance.choice(self.phones))

    def renew(self, phone: Installation) -> None:
        answer = self.stack.send("POST", "/v1/tokens", phone.renewal_body(phone.client_data(self.stack.challenge())))
        assert answer["statusCode"] == 200, answer
        claims: Any = read_json_object(b64url_decode(str(json_of(answer)["token"]).split(".")[1]))
        assert claims["iat"] <= self.stack.now
        self.minted.append({**claims, "at": self.stack.now})


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> MemoryStack:
    """A stack whose processes remember as they do in Lambda, and whose two clocks go alike."""
    stack = MemoryStack(remembered=REMEMBERED)
    monkeypatch.setattr("service.remembered.monotonic", lambda: stack.now)
    return stack


def publish(load: Load, *, held: float, effect: Effect) -> PolicyChange:
    """Publish while renewals go on: in the transaction, which moves the head after ``held`` seconds, and until it is
    made known."""
    stack, move = load.stack, load.stack.policies.move

    def slow(change: PolicyChange) -> bool:
        load.go_on(held)
        return move(change)

    stack.policies.move = slow  # type: ignore[method-assign]
    try:
        return replace(stack.publishing, sleep=load.go_on).publish(
            APP, appraisal=PERMIT, why="now", effect=effect, expected_version=0, who=ANNA, now=stack.now
        )
    finally:
        stack.policies.move = move  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", range(12))
def test_no_token_of_the_older_policy_is_left(busy: MemoryStack, seed: int) -> None:
    """Whenever it was read and minted: what the older policy granted is dated before the not-before, what the newer
    one granted is not; and once relying parties hear of it, every renewal is judged by the newer one."""
    chance = random.Random(seed)
    load = Load(busy, chance)
    load.go_on(chance.uniform(0.5, 2.0))
    reads = busy.policies.calls
    into_the_second = chance.choice([0.0, 0.2, 0.45, 0.49, 0.51, 0.9])  # how far the not-before lies ahead
    busy.now = int(busy.now) + 1 + into_the_second
    outcome = publish(load, held=chance.choice([0.02, 0.3, 1.0]), effect=Effect.NOW)
    known_at = busy.now
    load.go_on(2.0)
    assert outcome.not_before is not None
    old = [token for token in load.minted if token["policy_version"] == 0]
    new = [token for token in load.minted if token["policy_version"] == 1]
    assert len(old) > 10
    assert len(new) > 10
    assert max(token["iat"] for token in old) < outcome.not_before
    assert min(token["iat"] for token in new) >= outcome.not_before
    assert max(token["at"] for token in old) <= known_at
    assert busy.policies.calls - reads < len(load.minted) / 2  # or nothing was remembered, and nothing is shown


def test_older_policy_really_is_gone_by_for_a_moment(busy: MemoryStack) -> None:
    """Without that the test above shows nothing: after the head moved, tokens of the older policy are still minted."""
    load = Load(busy, random.Random(1))
    load.go_on(1.0)
    moved_at = busy.now
    publish(load, held=0.0, effect=Effect.NOW)
    assert [token for token in load.minted if token["policy_version"] == 0 and token["at"] > moved_at]


def test_policy_for_the_next_renewal_is_seen_within_half_a_second(busy: MemoryStack) -> None:
    """And nothing waits for it."""
    load = Load(busy, random.Random(2))
    load.go_on(1.0)
    moved_at = busy.now
    publish(load, held=0.0, effect=Effect.NEXT_RENEWAL)
    assert busy.now == moved_at
    load.go_on(2.0)
    old = [token["at"] for token in load.minted if token["policy_version"] == 0]
    assert max(old) <= moved_at + REMEMBERED


def test_block_is_seen_at_once(busy: MemoryStack) -> None:
    """Keys are read at every renewal, whatever the load."""
    load = Load(busy, random.Random(3))
    load.go_on(1.0)
    phone = load.phones[0]
    busy.blocking.block_automatically(phone.bonafide_key_id, by="policy 1: x", now=busy.now, reason="x", seconds=60)
    answer = busy.send("POST", "/v1/tokens", phone.renewal_body(phone.client_data(busy.challenge())))
    assert answer["statusCode"] == 403
    assert json_of(answer)["type"].endswith("/blocked")
