"""When an event that did not arrive is sent again, and when it counts as missed."""

from __future__ import annotations

import random
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

WAITS: Final = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800, 28_800)
"""Seconds after each attempt that failed: twelve attempts in 30 hours."""

MOST_ATTEMPTS: Final = len(WAITS) + 1
LONGEST_WAIT: Final = 42_000
"""Seconds. SQS hides a message for twelve hours at most, counted from when it was received."""

_JITTER: Final = 0.2
_CHANCE: Final = random.SystemRandom()


def wait_after(attempts: int, *, retry_after: float | None = None, chance: float | None = None) -> int:
    """Seconds to wait after ``attempts`` that failed: longer each time, a fifth more or less by ``chance`` (0 to 1), so
    that what failed together does not return together; never less than the receiver asked for (``retry_after``)."""
    drawn = _CHANCE.random() if chance is None else chance
    wait = WAITS[min(attempts, len(WAITS)) - 1] * (1 - _JITTER + 2 * _JITTER * drawn)
    return int(min(LONGEST_WAIT, max(1.0, wait, retry_after or 0.0)))


def retry_after(text: str, now: float) -> float | None:
    """Seconds that a header ``Retry-After`` asks for (RFC 9110 §10.2.3: seconds or a date); ``None`` for none, and for
    what is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp() - now)  # always GMT
    except (ValueError, TypeError, OverflowError):
        return None
