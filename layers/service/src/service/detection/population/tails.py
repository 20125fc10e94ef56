"""Tails of distributions, and the thresholds that follow from a budget of false alarms."""

from __future__ import annotations

import math


def poisson_tail(count: int, mean: float) -> float:
    """P(X ≥ ``count``) for a Poisson variable: the sum of its smaller side, to a relative error of 1e-12."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    if count <= mean:
        return max(0.0, 1.0 - math.fsum(_poisson(k, mean) for k in range(count)))
    term = total = _poisson(count, mean)
    k = count
    while term > total * 1e-13:
        k += 1
        term *= mean / k
        total += term
    return min(total, 1.0)


def negative_binomial_tail(count: int, mean: float, spread: float) -> float:
    """P(X ≥ ``count``) for counts of a Poisson process whose rate varies by a gamma factor with the relative variance
    ``spread``: overdispersed, as what people do together is. ``spread`` 0 is Poisson's."""
    if spread <= 0:
        return poisson_tail(count, mean)
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    shape, odds = 1 / spread, mean * spread / (1 + mean * spread)
    log_term = shape * math.log1p(-odds)
    below = 0.0
    for k in range(count):
        below += math.exp(log_term)
        log_term += math.log(odds * (k + shape) / (k + 1))
    if below < 0.5:
        return 1.0 - below
    term, total, k = math.exp(log_term), 0.0, count
    while term > total * 1e-13 and k < count + 100_000:
        total += term
        term *= odds * (k + shape) / (k + 1)
        k += 1
    return min(total, 1.0)


def erlang_tail(shape: int, value: float) -> float:
    """P(sum of ``shape`` independent exponential variables of mean 1 ≥ ``value``)."""
    return 1.0 if value <= 0 else math.exp(-value) * math.fsum(value**k / math.factorial(k) for k in range(shape))


def erlang_limit(shape: int, chance: float) -> float:
    """The value that such a sum reaches with no more than ``chance``."""
    low, high = 0.0, 800.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if erlang_tail(shape, middle) <= chance else (middle, high)
    return high


def scan_window(count: int, *, points: float, rate: float, chance: float) -> float:
    """The longest time in which ``count`` points of a Poisson process of ``rate`` a second, of which ``points`` are
    expected in all, come together with no more than ``chance``.

    The expected number of points that begin such a cluster is ``points`` · (``rate`` · window)^(n - 1) / (n - 1)!, with
    n for ``count``. It bounds the chance that there is one (first moment; scan statistics: Naus 1982)."""
    return math.exp((math.log(chance / points) + math.lgamma(count)) / (count - 1)) / rate


def _poisson(count: int, mean: float) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
