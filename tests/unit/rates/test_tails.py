"""The closed forms against sums of exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service.detection.rates.tails import Beta, log_evidence, log_upper_tail


def exact_tail(count: int, mean: Fraction, size: int) -> Fraction:
    """The chance of ``count`` or more by summing what is below, for a dispersion of 1 / ``size``."""
    success = Fraction(size) / (size + mean)
    term = success**size
    below = Fraction(0)
    for k in range(count):
        below += term
        term = term * (size + k) / (k + 1) * (1 - success)
    return 1 - below


@pytest.mark.parametrize("size", [1, 3, 25])
@pytest.mark.parametrize("mean", [Fraction(1, 10), Fraction(4), Fraction(60)])
@pytest.mark.parametrize("count", [1, 2, 7, 40, 180])
def test_a_tail_is_what_the_distribution_has_above(count: int, mean: Fraction, size: int) -> None:
    exact = exact_tail(count, mean, size)
    logarithm = math.log(exact.numerator) - math.log(exact.denominator)
    assert log_upper_tail(count, float(mean), 1 / size) == pytest.approx(logarithm, rel=1e-8, abs=1e-9)


@given(st.integers(1, 5_000), st.floats(1e-3, 1e5), st.floats(1e-7, 20))
@settings(max_examples=200, deadline=None)
def test_more_is_never_likelier(count: int, mean: float, dispersion: float) -> None:
    one, more = (log_upper_tail(each, mean, dispersion) for each in (count, count + 1))
    assert more <= one + 1e-9
    assert one <= 0


def test_without_dispersion_it_is_poissons() -> None:
    below = sum(math.exp(-4.0) * 4.0**k / math.factorial(k) for k in range(12))
    assert log_upper_tail(12, 4.0, 0.0) == pytest.approx(math.log1p(-below), rel=1e-4)


def test_nothing_expected() -> None:
    assert log_upper_tail(1, 0.0, 0.1) == -math.inf
    assert log_upper_tail(0, 0.0, 0.1) == 0.0


def run(order: tuple[bool, ...], share: tuple[Fraction, Fraction]) -> Fraction:
    """The chance of one sequence of refusals, by Pólya's urn."""
    refused, accepted = share
    chance = Fraction(1)
    for each in order:
        chance *= (refused if each else accepted) / (refused + accepted)
        refused, accepted = (refused + 1, accepted) if each else (refused, accepted + 1)
    return chance


@pytest.mark.parametrize(("refused", "accepted"), [(0, 0), (1, 0), (0, 5), (6, 0), (9, 4), (30, 70)])
def test_evidence_is_the_ratio_of_the_two_urns(refused: int, accepted: int) -> None:
    usual, failing = (Fraction(2, 5), Fraction(93, 5)), (Fraction(1), Fraction(1))
    order = (True,) * refused + (False,) * accepted
    exact = run(order, failing) / run(order, usual)
    found = log_evidence(refused, accepted, Beta(0.4, 18.6), Beta(1.0, 1.0))
    assert found == pytest.approx(math.log(exact.numerator) - math.log(exact.denominator), rel=1e-9, abs=1e-9)


def test_evidence_is_a_martingale_under_what_is_usual() -> None:
    """Over all ends of a run it is 1 on average: so it rarely ever exceeds much, however often it is looked at."""
    usual, failing, length = Beta(0.4, 18.6), Beta(1.0, 1.0), 40
    total = 0.0
    for refused in range(length + 1):
        chance = math.comb(length, refused) * float(
            run((True,) * refused + (False,) * (length - refused), (Fraction(2, 5), Fraction(93, 5)))
        )
        total += chance * math.exp(log_evidence(refused, length - refused, usual, failing))
    assert total == pytest.approx(1.0, rel=1e-9)


def test_a_beta_around_a_mean() -> None:
    share = Beta.around(0.02, 0.05)
    assert share.refused / sum(share) == pytest.approx(0.02)
    assert 1 / (sum(share) + 1) == pytest.approx(0.05)
