"""What the checker counts, as Prometheus reads it. Every label has a closed set of values: no client adds a series."""

from __future__ import annotations

import threading
from bisect import bisect_left
from enum import StrEnum, unique
from typing import Final

from bonafide_tokens.errors import Reason

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0)
UNEXPECTED: Final = "unexpected"


@unique
class Unread(StrEnum):
    """Why a connection ended without an answer to a check."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    SLOW = "slow"
    NOT_TOLD = "not-told"
    OVERLOADED = "overloaded"


class Metrics:
    """Counts of one process, written by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checks = dict.fromkeys([("accepted", ""), *(("refused", str(reason)) for reason in Reason)], 0)
        self._checks["refused", UNEXPECTED] = 0
        self._unread = dict.fromkeys(Unread, 0)
        self._buckets = [0] * (len(_BUCKETS) + 1)
        self._seconds = 0.0

    def checked(self, accepted: bool, reason: str, seconds: float) -> None:
        """Count a check that took so long."""
        cell = ("accepted", "") if accepted else ("refused", reason)
        with self._lock:
            self._checks[cell if cell in self._checks else ("refused", UNEXPECTED)] += 1
            self._buckets[bisect_left(_BUCKETS, seconds)] += 1
            self._seconds += seconds

    def unread(self, why: Unread) -> None:
        """Count a request that was not decided."""
        with self._lock:
            self._unread[why] += 1

    def text(self, *, connections: int, version: int, age: float, ready: bool) -> str:
        """The exposition, in Prometheus' text format 0.0.4."""
        with self._lock:
            checks, unread, buckets, seconds = (
                dict(self._checks),
                dict(self._unread),
                list(self._buckets),
                self._seconds,
            )
        lines = ["# TYPE bonafide_checks_total counter"]
        for (outcome, reason), count in checks.items():
            lines.append(f'bonafide_checks_total{{outcome="{outcome}",reason="{reason}"}} {count}')
        lines.append("# TYPE bonafide_requests_unread_total counter")
        lines += [f'bonafide_requests_unread_total{{why="{why}"}} {count}' for why, count in unread.items()]
        lines.append("# TYPE bonafide_check_seconds histogram")
        below = 0
        for bound, count in zip((*map(str, _BUCKETS), "+Inf"), buckets, strict=True):
            below += count
            lines.append(f'bonafide_check_seconds_bucket{{le="{bound}"}} {below}')
        lines += [f"bonafide_check_seconds_sum {seconds:.6f}", f"bonafide_check_seconds_count {below}"]
        shown = "+Inf" if age == float("inf") else f"{age:.1f}"
        gauges = {
            "connections": connections,
            "bundle_version": version,
            "bundle_age_seconds": shown,
            "ready": int(ready),
        }
        for name, value in gauges.items():
            lines += [f"# TYPE bonafide_{name} gauge", f"bonafide_{name} {value}"]
        return "\n".join(lines) + "\n"
