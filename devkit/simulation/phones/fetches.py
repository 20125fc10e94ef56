"""Client policies that phones fetch because an answer told them of a newer version: once each, later where refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devkit.client_core.waits import most_jitter
from devkit.simulation.phones.clients import LEVELS
from devkit.simulation.region.stack import Stack


@dataclass
class PolicyFetches:
    """A number of phones by when they ask next; an app goes on under the policy that it has meanwhile."""

    seconds: float
    steps: int
    at: int = 0

    def __post_init__(self) -> None:
        self._waits = np.zeros((LEVELS + 1, self.steps + int((most_jitter(LEVELS) + 60.0) / self.seconds) + 3))

    def step(self, told: float, stack: Stack) -> None:
        """``told`` phones have just learnt that there is a newer one."""
        asking = self._waits[:, self.at].copy()
        asking[0] += told
        total = float(asking.sum())
        served = stack.serve("policies", total)
        for refused in served.refused:
            for before in np.flatnonzero(asking > 1e-12):
                level = min(int(before) + 1, LEVELS)
                first = self.at + max(1, int(refused.wait.least / self.seconds))
                last = max(first + 1, first + int(most_jitter(level) / self.seconds))
                self._waits[level, first:last] += asking[before] * refused.number / total / (last - first)
        self.at += 1
