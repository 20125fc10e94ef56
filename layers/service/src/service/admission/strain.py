"""Stress: when tokens may live longer and are renewed later, because renewals are hard to serve.

An operator says so for an app, for a time; or this process sees that DynamoDB or KMS fail its renewals. What is not
known is no stress. A key that is blocked is refused all the same, within the same time: gates know it by the trust
bundle, not by the token's life. What waits for the next renewal waits longer: policies, signals, revoked certificates.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final

from service.errors import Unavailable
from service.tables.apps import RegisteredApp

SEEN_FOR: Final = 60.0
"""Seconds for which a renewal that failed counts."""

FEWEST: Final = 3
"""Failures below which there is no trouble."""

SHARE: Final = 0.1
"""Of all renewals, how many must have failed."""

_MOST: Final = 2_000
_OURS: Final = ("dynamodb:", "kms:")


@unique
class Stress(StrEnum):
    """Why renewals are hard to serve."""

    NONE = ""
    OPERATOR = "operator"
    TROUBLE = "trouble"


@dataclass(slots=True)
class Strain:
    """What one process knows of stress. ``steady`` is a clock that is never set. Safe to share between threads."""

    steady: Callable[[], float] = time.monotonic
    _calls: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=_MOST), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch a renewal. Refusals are none of stress, nor are vendors that fail."""
        failed = False
        try:
            yield
        except Unavailable as error:
            failed = error.what.startswith(_OURS)
            raise
        finally:
            with self._lock:
                self._calls.append((self.steady(), failed))

    def of(self, app: RegisteredApp, now: float) -> Stress:
        """The stress for ``app`` at ``now`` (Unix seconds)."""
        if now < app.stressed_until:
            return Stress.OPERATOR
        with self._lock:
            since = self.steady() - SEEN_FOR
            while self._calls and self._calls[0][0] < since:
                self._calls.popleft()
            failures = sum(failed for _, failed in self._calls)
            troubled = failures >= FEWEST and failures >= SHARE * len(self._calls)
        return Stress.TROUBLE if troubled else Stress.NONE
