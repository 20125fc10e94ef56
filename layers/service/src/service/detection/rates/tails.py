"""How unlikely a count is: two closed forms, without tables or libraries.

Counts of refusals are *overdispersed*: an hour has its own rate, and a build or model its own share. So counts over
time are judged as negative binomial, and shares of builds as beta-binomial, never as Poisson or binomial.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

_LEAST_DISPERSION: Final = 1e-6
_STEPS: Final = 10_000
_CLOSE: Final = 1e-12
_TINY: Final = 1e-300


def log_upper_tail(count: int, mean: float, dispersion: float) -> float:
    """The natural logarithm of the chance of ``count`` or more, where ``mean`` is expected and the variance is
    ``mean + dispersion * mean²``."""
    if count <= 0:
        return 0.0
    if mean <= 0:
        return -math.inf
    size = 1 / max(dispersion, _LEAST_DISPERSION)
    return _log_incomplete_beta(mean / (mean + size), count, size)


class Beta(NamedTuple):
    """A distribution of shares, by its two parameters."""

    refused: float
    accepted: float

    @classmethod
    def around(cls, mean: float, correlation: float) -> Beta:
        """The one of this mean whose beta-binomial counts have this correlation within one build or model."""
        size = 1 / correlation - 1
        return cls(mean * size, (1 - mean) * size)


def log_evidence(refused: int, accepted: int, usual: Beta, failing: Beta) -> float:
    """The natural logarithm of how many times as likely a run of refused and accepted decisions is where the share was
    drawn from ``failing`` as where it was drawn from ``usual``.

    Under ``usual`` the ratio is a martingale that begins at 1, so by Ville's inequality it ever exceeds 1/a with a
    chance of at most a, however often it is looked at.
    """
    return _log_run(refused, accepted, failing) - _log_run(refused, accepted, usual)


def _log_run(refused: int, accepted: int, share: Beta) -> float:
    return _log_beta(share.refused + refused, share.accepted + accepted) - _log_beta(share.refused, share.accepted)


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


def _log_incomplete_beta(x: float, a: float, b: float) -> float:
    """The natural logarithm of the regularised incomplete beta function, by its continued fraction where that converges
    fast (DLMF 8.17.22), and by its symmetry elsewhere."""
    if x > (a + 1) / (a + b + 2):
        return math.log1p(-min(1 - _CLOSE, math.exp(_log_incomplete_beta(1 - x, b, a))))
    front = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b) - math.log(a)
    return front + math.log(_continued_fraction(x, a, b))


def _continued_fraction(x: float, a: float, b: float) -> float:
    """By Lentz's method, as Thompson and Barnett changed it."""
    value, c = 1.0, 1.0
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for part in (even, odd):
            d = 1 / _away_from_zero(1 + part * d)
            c = _away_from_zero(1 + part / c)
            value *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
