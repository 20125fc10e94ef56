"""When clients that were refused for a moment come back: not all at once.

Every 503 and 429 that a function makes carries a Retry-After (RFC 9110 §10.2.3) of :data:`SOONEST` to :data:`LATEST`
seconds, drawn anew for each answer. Those that API Gateway makes by itself carry :data:`SOONEST`, because a gateway
response is fixed text. Clients add a jitter of their own to either (docs/api-errors.md): the fixed one spreads no
retries.
"""

from __future__ import annotations

import random
from typing import Final

SOONEST: Final = 5
LATEST: Final = 30

# From the system: processes restored from one SnapStart snapshot would all draw the same numbers from Python's own.
_CHANCE: Final = random.SystemRandom()


def retry_after() -> str:
    """The value of the header, in seconds."""
    return str(_CHANCE.randint(SOONEST, LATEST))
