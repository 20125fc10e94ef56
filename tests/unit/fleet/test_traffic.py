"""Traffic tells apart what one renewal heals, what it does not, and what is broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, Session, UnexpectedAnswer
from devkit.fleet.drills.traffic import Device, Fate, Traffic


def answer(status: int, **members: str) -> Answer:
    return Answer(status, {}, json.dumps(members).encode("utf-8"), 1.0)


REATTEST = answer(401, type="/problems/unauthorized", action="reattest")
REFUSED = answer(403, type="/problems/evidence-rejected")


@dataclass
class Instance:
    app: str = "demo"


@dataclass
class ScriptedStack:
    """Answers GETs in turn, and renews or refuses."""

    gets: list[Answer]
    renewal: Answer | None = None
    reported: list[Sequence[str]] = field(default_factory=list)

    def call(self, *_: Any, **__: Any) -> Answer:
        return self.gets.pop(0)

    def challenge(self, _app: str) -> str:
        return "challenge"

    def renew(self, _installation: AppInstance, _challenge: str, *, signals: Sequence[str] = ()) -> Session:
        self.reported.append(signals)
        if self.renewal is not None:
            raise UnexpectedAnswer(self.renewal, "POST /v1/tokens")
        return Session("new", "next", answer(200))


def one_call(stack: ScriptedStack, signals: tuple[str, ...] = ()) -> tuple[Fate, Traffic]:
    device = Device(cast(AppInstance, Instance()), hostile=False, signals=signals, session=None)
    traffic = Traffic(cast(ApiClient, stack), [device])
    return traffic._call(0, device).fate, traffic


@pytest.mark.parametrize(
    ("stack", "fate"),
    [
        (ScriptedStack([answer(200)]), Fate.ACCEPTED),
        (ScriptedStack([REATTEST, answer(200)]), Fate.RENEWED),
        (ScriptedStack([REATTEST], renewal=REFUSED), Fate.REFUSED),
        (ScriptedStack([REATTEST, REATTEST]), Fate.FAILED),
        (ScriptedStack([REATTEST], renewal=answer(503)), Fate.FAILED),
        (ScriptedStack([answer(403, action="stop")]), Fate.FAILED),
    ],
)
def test_request_gets_the_fate_that_it_had(stack: ScriptedStack, fate: Fate) -> None:
    """One renewal is the app's whole remedy: a second refusal, or another answer, is a failure."""
    assert one_call(stack)[0] is fate


def test_renewal_reports_what_the_device_noticed() -> None:
    """A hooked app goes on being hooked after a renewal."""
    stack = ScriptedStack([REATTEST, answer(200)])
    one_call(stack, signals=("inline-hook",))
    assert stack.reported == [["inline-hook"]]
