"""What ``bonafide simulate`` shows of a run."""

from __future__ import annotations

from typing import Any, Final

_SECONDS: Final = {"p50": 0.02, "p99": 3.0, "max": 60.0}
SIMULATED: Final[dict[str, Any]] = {
    "scenario": "now-publication",
    "phones": 1_000_000,
    "method": "events",
    "requests_a_second": {"renewals": {"mean": 600.0, "most": 7_000.0}},
    "guarded_a_second": {"mean": 9_000.0, "most": 9_100.0},
    "concurrency": 22.0,
    "hot_reads_a_second": 90.0,
    "throttled": 0.4,
    "attempts": 2.5,
    "token_seconds": _SECONDS,
    "first_token_seconds": _SECONDS,
    "failed_calls": 0.3,
    "calls_renewed_for": 7_000.0,
    "installs": 10.0,
    "lost_installs": 1.0,
    "storm": True,
    "hot_partition": False,
    "dollars_a_day": {"renewals": 600.0, "guarded": 500.0},
    "breaks_first": "throttle of renewals",
    "limits": {"throttle of renewals": {"asked": 17.0, "refused": 1e6}},
    "seconds_to_refusal": _SECONDS,
    "run": {"seconds": 12.0, "mebibytes": 120},
    "files": [".local/curves/now-publication-1000000.csv"],
}
