"""Seconds, counted in bins that are 7 % wide: quantiles of any number of requests in a few hundred numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEAST: Final = 0.001
_GROWTH: Final = math.log(1.07)
_BINS: Final = int(math.log(200_000.0 / _LEAST) / _GROWTH) + 1


def bins_of(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each."""
    scaled = np.log(np.maximum(seconds, _LEAST) / _LEAST) / _GROWTH
    return np.minimum(scaled.astype(np.int64), _BINS - 1)


def counted(seconds: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """How many fall into each bin, or what they weigh."""
    return np.bincount(bins_of(seconds), weights, minlength=_BINS).astype(np.float64)


@dataclass(slots=True)
class Latencies:
    """How many took how long."""

    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_BINS))

    def add(self, seconds: float, count: float) -> None:
        """``count`` that took ``seconds``."""
        self.counts[bins_of(np.array([seconds]))[0]] += count

    def add_each(self, seconds: NDArray[np.float64]) -> None:
        """One for each."""
        self.counts += counted(seconds)

    def quantile(self, share: float) -> float:
        """Seconds that ``share`` of them took at most; 0 where there are none. The middle of a bin."""
        total = float(self.counts.sum())
        if total <= 0:
            return 0.0
        at = int(np.searchsorted(np.cumsum(self.counts), share * total))
        return _middle(min(at, _BINS - 1))

    def above(self, seconds: float) -> float:
        """How many took longer."""
        return float(self.counts[bins_of(np.array([seconds]))[0] + 1 :].sum())

    @property
    def most(self) -> float:
        """The longest that at least half a request is expected to take."""
        taken = np.flatnonzero(np.cumsum(self.counts[::-1])[::-1] >= 0.5)
        return _middle(int(taken[-1])) if len(taken) else 0.0


def _middle(at: int) -> float:
    return _LEAST * math.exp((at + 0.5) * _GROWTH)
