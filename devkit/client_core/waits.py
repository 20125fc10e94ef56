"""When an app that was asked to come back later does so: at a time of its own, later each time.

A stack that has refused a million phones within a second must not meet them again within another. Retry-After alone
spreads no retries where it is fixed text, as API Gateway's is; so an app waits what it was asked to, and then up to
:data:`FIRST` seconds more by full jitter, of which the limit triples with each refusal in a row.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

FIRST: Final = 20.0
"""Seconds of jitter, at most, after the first refusal."""

GROWTH: Final = 3.0
LONGEST: Final = 3600.0
"""Seconds of jitter, at most, after any; and the longest Retry-After that is believed."""

_SECONDS: Final = re.compile(r"[0-9]{1,6}\Z")


def asked_seconds(retry_after: str | None) -> float:
    """What a ``Retry-After`` asks for, in seconds: whole ones in up to six digits, an hour at most.

    Anything else is 0, a date too: it would be read by a clock that may be wrong.
    """
    if retry_after is None or not _SECONDS.match(retry_after):
        return 0.0
    return min(LONGEST, float(retry_after))


def most_jitter(refusals: int) -> float:
    """The limit of the jitter after so many ``refusals`` in a row (1 …)."""
    return min(LONGEST, FIRST * GROWTH ** min(refusals - 1, 16))


def jitter(refusals: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait beyond Retry-After, after so many ``refusals`` in a row (1 …). ``draw`` gives 0 … 1."""
    return draw() * most_jitter(refusals)


def wait_bounds(retry_after: str | None, refusals: int) -> tuple[float, float]:
    """The least and the most seconds of the wait after the ``refusals``-th refusal in a row."""
    asked = asked_seconds(retry_after)
    return asked, asked + most_jitter(refusals)
