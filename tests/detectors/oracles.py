"""``make detector-oracles``: what the detectors calculate, beside scipy, datasketches and river. Exit code 1 on a
difference."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from service.detection.population.packing import Distinct
from service.detection.population.replay_storm import WINDOW, ReplayCounts
from service.detection.population.tails import erlang_tail, negative_binomial_tail, poisson_tail

stats: Any = import_module("scipy.stats")
sketches: Any = import_module("datasketches")
river: Any = import_module("river.stats")

Pair = tuple[str, float, float, float]
"""What it is, ours, theirs, and how far they may be apart, as a share."""


def tails() -> Iterator[Pair]:
    """Tails of distributions, down to 1e-250, where both have digits."""
    for count, mean in itertools.product((1, 3, 20, 150, 2_000), (0.01, 1.5, 30.0, 1_900.0)):
        theirs = float(stats.poisson.sf(count - 1, mean))
        if theirs > 1e-250:
            yield f"Poisson {count} of {mean}", poisson_tail(count, mean), theirs, 1e-6
        for spread in (0.1, 1.1):
            shape = 1 / spread
            theirs = float(stats.nbinom.sf(count - 1, shape, shape / (shape + mean)))
            if theirs > 1e-250:
                ours = negative_binomial_tail(count, mean, spread)
                yield f"negative binomial {count} of {mean}, {spread}", ours, theirs, 1e-6
    for shape, value in itertools.product((1, 4, 9), (0.3, 5.0, 60.0)):
        yield f"Erlang {shape} {value}", erlang_tail(shape, value), float(stats.gamma.sf(value, shape)), 1e-9


def distinct() -> Iterator[Pair]:
    """How many different keys: exact, datasketches' and ours, which is within four of its standard errors."""
    for number in (10, 300, 2_000, 6_000):
        theirs, ours = sketches.cpc_sketch(12), Distinct(bytes(384))
        for each in range(number):
            for _ in range(2):
                theirs.update(f"key {each}")
                ours.add(f"key {each}")
        yield f"distinct {number}", ours.count(), theirs.get_estimate(), 0.13


def averages() -> Iterator[Pair]:
    """What an hour of the day brings: after many windows, an exponentially weighted mean."""
    held, theirs = ReplayCounts(), river.EWMean(fading_factor=1 / 42)
    windows = [window for day in range(400) for window in range(day * 144, day * 144 + 6)]
    for number, window in enumerate(windows):
        held.turn(window, 10**6)
        for request in range(5 + number % 7):
            held.seen.add(f"{window} {request}")
        if number:
            theirs.update(float(5 + (number - 1) % 7))
    held.turn(400 * 144, 10**6)
    theirs.update(float(5 + (len(windows) - 1) % 7))
    yield f"mean of windows of {WINDOW} s", held.expected()[0], theirs.get(), 0.02


def main() -> int:
    """Print each comparison; 0 if none is too far apart."""
    apart = 0
    parts: tuple[Callable[[], Iterator[Pair]], ...] = (tails, distinct, averages)
    for part in parts:
        pairs = list(part())
        worst = max(abs(ours - theirs) / max(abs(theirs), 1e-300) / most for _, ours, theirs, most in pairs)
        print(f"{part.__name__:10}{len(pairs):4} comparisons, the worst at {100 * worst:.1f} % of what may be")
        for what, ours, theirs, most in pairs:
            if abs(ours - theirs) > most * abs(theirs):
                apart += 1
                print(f"  {what}: ours {ours:.6g}, theirs {theirs:.6g}")
    return 1 if apart else 0


if __name__ == "__main__":
    sys.exit(main())
