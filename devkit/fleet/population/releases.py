"""Releases of the app: when installs take a new build, and what becomes of those that did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

_HALF: Final = 30 * 3600.0
"""Seconds after which half of the phones have a release that is out for all (assumed)."""
_STAGES: Final = ((0.0, 0.01), (6 * 3600.0, 0.05), (18 * 3600.0, 0.2), (36 * 3600.0, 1.0))
"""A staged rollout, as stores offer it: from when on (seconds after the release) it is offered to which share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A build that is out from ``at`` on (Unix seconds). ``why`` refuses it wherever it attests; ``hostile`` labels its
    decisions. A repackaged one has another ``signer``, and reaches ``share`` of the Androids only; ``all_at_once``
    leaves the stages out."""

    build: str
    at: float
    why: str = ""
    hostile: str = ""
    signer: str = ""
    share: float = 1.0
    all_at_once: bool = False

    def taken_at(self, place: float, wait: float) -> float:
        """When an install takes it. ``place`` (0 to 1) is its place in the stages, ``wait`` how patient its owner is,
        an exponential variate of mean 1."""
        if place >= self.share:
            return math.inf
        place /= self.share
        stages = ((0.0, 1.0),) if self.all_at_once else _STAGES
        offered = next(since for since, share in stages if place < share)
        return self.at + offered + wait * _HALF / math.log(2)

    def share_at(self, at: float) -> float:
        """The share of those that it is for which have it at a moment, as expected by :meth:`taken_at`."""
        if at < self.at:
            return 0.0
        stages = ((0.0, 1.0),) if self.all_at_once else _STAGES
        taken, before = 0.0, 0.0
        for since, share in stages:
            waited = at - self.at - since
            if waited > 0:
                taken += (share - before) * (1 - math.exp2(-waited / _HALF))
            before = share
        return taken * self.share
