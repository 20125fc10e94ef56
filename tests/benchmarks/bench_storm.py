"""A storm, modelled: phones that are all refused within a second, and come back as docs/api-errors.md tells them to.

``python -m tests.benchmarks.bench_storm`` prints attempts per phone and seconds until the last one is served, beside
what fixed waits lead to. The server is a token bucket, as API Gateway's throttle is, or as a function's concurrency.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.edge.retry_after import LATEST, SOONEST

from devkit.client_core.waits import jitter

Wait = Callable[[int, random.Random], float]
"""Seconds that a phone waits after so many refusals in a row."""


def after_a_function(refusals: int, chance: random.Random) -> float:
    """Refused by a function: its Retry-After is drawn, and the app adds its jitter."""
    return chance.randint(SOONEST, LATEST) + jitter(refusals, chance.random)


def after_the_gateway(refusals: int, chance: random.Random) -> float:
    """Refused by API Gateway: its Retry-After is fixed text, and the app adds its jitter."""
    return SOONEST + jitter(refusals, chance.random)


def as_told(_refusals: int, _chance: random.Random) -> float:
    """The app waits the fixed Retry-After and nothing more."""
    return SOONEST


@dataclass(frozen=True, slots=True)
class Storm:
    """How a storm ended: ``attempts`` per phone after the refusal, and ``seconds`` until the last was served."""

    attempts: float
    seconds: float


def storm(phones: int, *, rate: float, burst: float, wait: Wait, seed: int = 7, most: int = 400) -> Storm:
    """``phones`` are refused within the first second; then ``rate`` a second are served, ``burst`` of them at once.

    ``most`` attempts of a phone are modelled; a rule that needs more is bad enough.
    """
    chance = random.Random(seed)
    coming = [(chance.random() + wait(1, chance), 1) for _ in range(phones)]
    heapq.heapify(coming)
    tokens, last, attempts = burst, 0.0, 0
    while coming:
        moment, refusals = heapq.heappop(coming)
        attempts += 1
        tokens, last = min(burst, tokens + (moment - last) * rate), moment
        if tokens >= 1:
            tokens -= 1
        elif refusals < most:
            heapq.heappush(coming, (moment + wait(refusals + 1, chance), refusals + 1))
    return Storm(attempts / phones, last)


_SCALE: Final = 10
"""The million is modelled as a tenth of it, at a tenth of the rate: attempts and seconds are the same."""

SCENES: Final[tuple[tuple[str, int, float, float], ...]] = (
    ("700 phones, 20 served a second", 700, 20, 20),
    ("1,000,000 phones renew, default throttle 400/s", 1_000_000 // _SCALE, 400 / _SCALE, 800 / _SCALE),
)
RULES: Final[tuple[tuple[str, Wait], ...]] = (
    ("Retry-After 5 s, as told", as_told),
    ("Retry-After 5 s, jitter by the app", after_the_gateway),
    (f"Retry-After {SOONEST} to {LATEST} s, jitter by the app", after_a_function),
)


def main() -> None:
    """Print the table."""
    for name, phones, rate, burst in SCENES:
        print(name)
        for rule, wait in RULES:
            ended = storm(phones, rate=rate, burst=burst, wait=wait, most=60 if phones > 10_000 else 400)
            print(f"  {rule:<42} {ended.attempts:6.1f} attempts per phone, {ended.seconds:7.0f} s")


if __name__ == "__main__":
    main()
