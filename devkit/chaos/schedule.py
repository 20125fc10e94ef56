"""Which faults happen when: drawn from a seed, so that the same seed gives the same schedule on every machine.

Interleavings are not drawn: which call a fault meets depends on the moment.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum, unique
from typing import Any, Final


@unique
class Kind(StrEnum):
    """What breaks."""

    THROTTLE = "throttle"
    """DynamoDB or KMS answers that it is asked too much."""
    LATENCY = "latency"
    """A call of AWS takes longer, before or after it is carried out."""
    TORN_CALL = "torn-call"
    """A call of AWS is carried out, and its answer is lost, or comes by half."""
    TORN_ANSWER = "torn-answer"
    """A request of an app or an operator is carried out, and its answer is lost, or comes by half."""
    KILL_WORKER = "kill-worker"
    """The process of a function is killed before or after AWS carries out what it asked."""
    KILL_GATEWAY = "kill-gateway"
    """The gateway process is killed with all workers, and started again."""
    STOP_AWS = "stop-aws"
    """The AWS stand-in is ended, or stands still, and goes on with what it had."""
    DISK = "disk"
    """A worker's log takes no more."""
    CLOCK = "clock"
    """A worker's clock jumps, and jumps back."""
    VENDOR = "vendor"
    """Google and Apple do not answer."""
    BUNDLE = "bundle"
    """Gates cannot fetch the trust bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: ``at`` seconds after the fleet began, for ``seconds`` at most.

    ``calls`` is how many calls it may meet; ``early`` whether it strikes before a call is carried out or after;
    ``half`` whether half an answer comes, where one is torn; ``amount`` is its size in its kind's unit: seconds of
    latency or of a clock. ``target`` is the function or service that is meant, empty for any.
    """

    number: int
    at: float
    kind: Kind
    target: str = ""
    seconds: float
    calls: int = 1
    early: bool = False
    half: bool = False
    amount: float = 0.0

    def to_record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


_WEIGHTS: Final = {
    Kind.THROTTLE: 20,
    Kind.LATENCY: 16,
    Kind.TORN_CALL: 20,
    Kind.TORN_ANSWER: 20,
    Kind.KILL_WORKER: 14,
    Kind.KILL_GATEWAY: 1,
    Kind.STOP_AWS: 2,
    Kind.DISK: 5,
    Kind.CLOCK: 6,
    Kind.VENDOR: 4,
    Kind.BUNDLE: 2,
}
"""How often each kind is drawn: those that cost little are many."""

_APART: Final = {Kind.KILL_GATEWAY: 25.0, Kind.STOP_AWS: 15.0, Kind.BUNDLE: 40.0}
"""Seconds between two of the kinds that stop everything."""

_LONGEST: Final = {
    Kind.THROTTLE: 6.0,
    Kind.LATENCY: 6.0,
    Kind.TORN_CALL: 10.0,
    Kind.TORN_ANSWER: 10.0,
    Kind.KILL_WORKER: 10.0,
    Kind.KILL_GATEWAY: 1.0,
    Kind.STOP_AWS: 4.0,
    Kind.DISK: 4.0,
    Kind.CLOCK: 6.0,
    Kind.VENDOR: 6.0,
    Kind.BUNDLE: 26.0,
}

TARGETS: Final = ("", "", "", "RenewTokenFunction", "AppraiseEvidenceFunction", "AdministerFunction")
"""Whose calls of AWS are met: those of any function, or of those that write what counts."""

SHIFTED: Final = (
    "RenewTokenFunction",
    "AppraiseEvidenceFunction",
    "IssueChallengeFunction",
    "AuthorizeRequestFunction",
)
"""Whose clocks jump: those of functions that judge. A publisher whose clock is wrong makes bundles that no gate takes,
which the alarm BundleNotRefreshed is for (docs/chaos.md)."""

JUMPS: Final = (-90.0, -20.0, -3.0, 3.0, 20.0, 90.0)
"""Seconds by which clocks jump."""

QUIET: Final = 3.0
"""Seconds at the beginning without a fault: the fleet enrols."""


def chance_of(seed: int, name: str) -> random.Random:
    """The generator of one part of a run."""
    return random.Random(f"{name} {seed}")  # noqa: S311 - reproducible, no secret


def schedule(
    seed: int, seconds: float, kinds: Collection[Kind] = tuple(Kind), *, pace: float = 1.2
) -> tuple[Fault, ...]:
    """The faults of ``seconds`` of fleet, in order; one every ``pace`` seconds on average.

    The first ones are one of each kind, in drawn order, so that a short run has them all; those that stop everything
    come last of them.
    """
    chance = chance_of(seed, "schedule")
    wanted = [kind for kind in Kind if kind in kinds]
    if not wanted:
        return ()
    first = sorted(wanted, key=lambda kind: (kind not in _APART, chance.random()))
    last: dict[Kind, float] = {}
    faults: list[Fault] = []
    at = QUIET
    while at < seconds - 1:
        kind = first.pop() if first else chance.choices(wanted, [_WEIGHTS[one] for one in wanted])[0]
        fault = _drawn(chance, len(faults) + 1, at, kind)
        if at - last.get(kind, -1e9) >= _APART.get(kind, 0.0):
            last[kind] = at
            faults.append(fault)
        at += chance.expovariate(1 / pace)
    return tuple(faults)


def _drawn(chance: random.Random, number: int, at: float, kind: Kind) -> Fault:
    # Every number is drawn for every kind, so that leaving out a kind changes as little as possible.
    calls, early, half = chance.randint(1, 6), chance.random() < 0.5, chance.random() < 0.5
    share, target, jump = chance.random(), chance.choice(TARGETS), chance.choice(JUMPS)
    service, shifted = chance.choice(("dynamodb", "dynamodb", "kms")), chance.choice(SHIFTED)
    longest = _LONGEST[kind]
    amount = {Kind.LATENCY: 0.1 + 2.4 * share, Kind.CLOCK: jump}.get(kind, 0.0)
    if kind in (Kind.STOP_AWS, Kind.BUNDLE):
        longest *= 0.3 + 0.7 * share**2
    named = {Kind.THROTTLE: service, Kind.CLOCK: shifted, Kind.KILL_WORKER: target, Kind.TORN_CALL: target}
    return Fault(
        number=number,
        at=round(at, 2),
        kind=kind,
        target=named.get(kind, ""),
        seconds=round(longest, 2),
        calls=calls if kind in (Kind.THROTTLE, Kind.LATENCY, Kind.VENDOR) else 1,
        early=early,
        half=half,
        amount=round(amount, 2),
    )
