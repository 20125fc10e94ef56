"""When an app that was asked to come back later does so: at a time of its own, later each time.

A stack that has refused a million phones within a second must not meet them again within another. Retry-After alone
spreads no retries where it is fixed text, as API Gateway's is; so an app waits what it was asked to, and then up to
:data:`FIRST` seconds more by full jitter, of which the limit triples with each refusal in a row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

FIRST: Final = 20.0
"""Seconds of jitter, at most, after the first refusal."""

GROWTH: Final = 3.0
LONGEST: Final = 3600.0
"""Seconds of jitter, at most, after any."""


def jitter(refusals: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait beyond Retry-After, after so many ``refusals`` in a row (1 …). ``draw`` gives 0 … 1."""
    return draw() * min(LONGEST, FIRST * GROWTH ** min(refusals - 1, 16))
