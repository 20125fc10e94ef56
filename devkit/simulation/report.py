"""What a run says: figures by name, what breaks first, and the words that are judged by numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from devkit.simulation.latencies import Latencies
from devkit.simulation.region.service_times import Service
from devkit.simulation.region.stack import Used
from devkit.simulation.run import Run
from devkit.simulation.usage import DAY

STORM_ATTEMPTS: Final = 1.1
STORM_THROTTLED: Final = 0.001
"""A storm: more attempts for each token that was wanted, or a larger share of requests that were turned away."""


def summary(run: Run, services: Mapping[str, Service]) -> dict[str, Any]:
    """Figures of a run, for people's tables and for scripts. Seconds, requests a second, shares of one, dollars."""
    record, routes = run.recorder, run.routes()
    refused = run.refused()
    asked = sum(routes.values())
    throttled = sum(refused.values()) / asked if asked else 0.0
    found = {
        "scenario": run.scenario,
        "phones": run.phones,
        "method": run.method,
        "requests_a_second": {
            name: {"mean": total / run.seconds, "most": run.peaks.get(f"{name}_offered", 0.0)}
            for name, total in routes.items()
        },
        "guarded_a_second": {"mean": record.calls / run.seconds, "most": run.peaks.get("guarded", 0.0)},
        "authorizer_processes": run.gate_processes,
        "concurrency": run.peaks.get("concurrency", 0.0),
        "hot_reads_a_second": max(stack.hot_keys for stack in run.stacks),
        "throttled": throttled,
        "attempts": record.attempts,
        "token_seconds": _quantiles(record.renewals),
        "first_token_seconds": _quantiles(record.enrolments),
        "request_seconds": {
            name: _quantiles(latencies) for name, latencies in sorted(run.stacks[-1].latencies.items())
        },
        "failed_calls": record.failed_calls / record.calls if record.calls else 0.0,
        "calls_renewed_for": record.sent_back,
        "installs": record.installs,
        "lost_installs": record.lost_installs,
        "storm": record.attempts > STORM_ATTEMPTS or throttled > STORM_THROTTLED,
        "hot_partition": any(stack.is_hot for stack in run.stacks),
        "dollars_a_day": {name: each * DAY / run.seconds for name, each in dollars(run, services).items()},
        "breaks_first": breaks_first(run),
        "limits": {name: {"asked": used.peak, "refused": used.refused} for name, used in _used(run).items()},
    }
    if len(run.refused_keys):
        found["seconds_to_refusal"] = {
            "p50": float(np.quantile(run.refused_keys, 0.5)),
            "p99": float(np.quantile(run.refused_keys, 0.99)),
            "max": float(run.refused_keys[-1]),
        }
    return found


def breaks_first(run: Run) -> str:
    """The limit that turned the first request away, or, if none did, the one that was nearest."""
    used = _used(run)
    used = {name: each for name, each in used.items() if name != "admission"}  # which is meant to
    broken = {name: each for name, each in used.items() if each.broke_at is not None}
    if broken:
        # All that broke in the same minute broke together: then the one that was passed by most.
        first = min(each.broke_at for each in broken.values() if each.broke_at is not None)
        early = {n: u for n, u in broken.items() if u.broke_at is not None and u.broke_at <= first + 60.0}
        return max(early, key=lambda name: (early[name].peak, early[name].refused))
    if not used:
        return "nothing"
    nearest = max(used, key=lambda name: used[name].peak)
    return f"nothing; nearest is {nearest}, {used[nearest].peak:.0%}"


def dollars(run: Run, services: Mapping[str, Service]) -> dict[str, float]:
    """Dollars of the time that was played, by route. A request that the gateway turns away costs nothing here: whether
    AWS bills it is not documented."""
    passed = {name: sum(stack.passed[name] for stack in run.stacks) for name in run.routes()}
    return {
        **{name: count * services[name].dollars for name, count in passed.items()},
        "guarded": run.recorder.calls * services["guarded"].dollars,
    }


def dollars_by_part(run: Run, services: Mapping[str, Service]) -> dict[str, dict[str, float]]:
    """The same by route, and by the parts of a bill."""
    passed = {name: sum(stack.passed[name] for stack in run.stacks) for name in run.routes()}
    passed["guarded"] = run.recorder.calls
    return {name: {part: count * each for part, each in services[name].parts.items()} for name, count in passed.items()}


def curve(run: Run) -> str:
    """The run as CSV, a line for each point."""
    text = io.StringIO()
    names = sorted({name for row in run.rows for name in row} - {"seconds"})
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["seconds", *names])
    for row in run.rows:
        table.writerow([f"{row['seconds']:g}", *(f"{row.get(name, 0.0):.6g}" for name in names)])
    return text.getvalue()


def _used(run: Run) -> dict[str, Used]:
    """Of several regions, the most of each."""
    most: dict[str, Used] = {}
    for stack in run.stacks:
        for name, used in stack.used.items():
            known = most.setdefault(name, Used())
            times = [at for at in (known.broke_at, used.broke_at) if at is not None]
            most[name] = Used(max(known.peak, used.peak), min(times, default=None), known.refused + used.refused)
    return most


def _quantiles(latencies: Latencies) -> dict[str, float]:
    return {"p50": latencies.quantile(0.5), "p99": latencies.quantile(0.99), "max": latencies.most}
