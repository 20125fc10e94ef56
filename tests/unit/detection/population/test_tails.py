"""Tails and thresholds against exact sums and simulations; ``make detector-oracles`` has scipy beside them."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from service.detection.population.tails import (
    erlang_limit,
    erlang_tail,
    negative_binomial_tail,
    poisson_tail,
    scan_window,
)


@pytest.mark.parametrize("mean", [0.01, 0.5, 3.0, 40.0, 900.0])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 60, 1_000])
def test_poisson_tail_is_the_exact_sum(count: int, mean: float) -> None:
    below = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))
    beyond = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count, count + 3_000))

    assert poisson_tail(count, mean) == pytest.approx(1 - below if beyond > 0.5 else beyond, rel=1e-6)


def test_no_spread_is_poisson() -> None:
    assert negative_binomial_tail(9, 4.0, 0.0) == poisson_tail(9, 4.0)
    assert negative_binomial_tail(9, 4.0, 1e-7) == pytest.approx(poisson_tail(9, 4.0), rel=1e-4)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_negative_binomial_of_spread_one_is_geometric(count: int) -> None:
    exact = Fraction(10, 11) ** count

    assert negative_binomial_tail(count, 10.0, 1.0) == pytest.approx(float(exact), rel=1e-9)


def test_nothing_expected_and_nothing_seen() -> None:
    assert poisson_tail(0, 0.0) == negative_binomial_tail(0, 0.0, 1.0) == 1.0
    assert poisson_tail(1, 0.0) == negative_binomial_tail(1, 0.0, 1.0) == 0.0


@pytest.mark.parametrize("shape", [1, 3, 5])
def test_erlang_limit_is_the_inverse(shape: int) -> None:
    assert erlang_tail(shape, erlang_limit(shape, 1e-4)) == pytest.approx(1e-4)


def test_clusters_come_no_more_often_than_their_window_says() -> None:
    rate, points, chance = 1 / 3_600, 200, 0.1
    most, draw, clustered = scan_window(4, points=points, rate=rate, chance=chance), random.Random(3), 0
    for _ in range(1_000):
        at, times = 0.0, []
        for _ in range(points):
            at += draw.expovariate(rate)
            times.append(at)
        clustered += any(times[n + 3] - times[n] <= most for n in range(points - 3))

    assert 50 < clustered < 110
