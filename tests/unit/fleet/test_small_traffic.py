"""The small everyday traffic: what it does in how many turns, whatever the stack answers, and its end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, ApiClient, CannotAttest, Session, StackUnreachable, UnexpectedAnswer
from devkit.fleet.drills.small_traffic import COUNTRY_HEADER, SmallTraffic
from devkit.fleet.scenario import Scene

ANSWER = Answer(200, {}, b"{}", 1.0)


@dataclass(frozen=True, kw_only=True)
class Recorded(ApiClient):
    """Answers like a stack that is well, or not at all; counts what is done."""

    done: Counter[str] = field(default_factory=Counter)
    failure: Exception | None = None

    def call(self, *_: Any, **__: Any) -> Answer:
        self.done["call"] += 1
        self.done[f"from {self.headers[COUNTRY_HEADER]}"] += 1
        if self.failure is not None:
            raise self.failure
        return ANSWER

    def attest(self, *_: Any, **__: Any) -> Session:
        self.done["attest"] += 1
        if self.failure is not None:
            raise self.failure
        return Session("token", "challenge", ANSWER)

    def renew(self, *_: Any, **__: Any) -> Session:
        self.done["renew"] += 1
        return Session("token", "challenge", ANSWER)


def traffic(failure: Exception | None = None) -> SmallTraffic:
    client = Recorded(verifier_url="http://127.0.0.1:9", guarded_url="http://127.0.0.1:9", failure=failure)
    authority = DeviceAuthority.create()
    return SmallTraffic(Scene(client=client, authority=authority, stranger=authority, operator=None), pause=0.001)


def run(one: SmallTraffic, turns: int) -> Counter[str]:
    with one:
        for _ in range(3000):
            if one.turns >= turns:
                break
            time.sleep(0.01)
    assert one.turns >= turns
    assert not [thread for thread in threading.enumerate() if thread.name == "small traffic"]
    return cast(Recorded, one.scene.client).done


def test_devices_enrol_call_renew_and_are_replaced() -> None:
    """From several countries; a few of an attacker's among them."""
    done = run(traffic(), 150)
    assert done["attest"] >= 10
    assert done["call"] > 80
    assert done["renew"] >= 5
    assert len([name for name in done if name.startswith("from ")]) >= 4


def test_stack_that_refuses_or_is_gone_ends_nothing() -> None:
    """What is refused is part of the picture."""
    assert run(traffic(StackUnreachable("gone")), 20)["attest"] > 5
    assert run(traffic(UnexpectedAnswer(ANSWER, "x")), 20)["attest"] > 5
    assert run(traffic(CannotAttest("other", None)), 20)["attest"] > 5
