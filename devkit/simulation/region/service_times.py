"""What one request of each route takes of a stack: seconds, units, bytes. From measurements, by argument.

Processor time and amounts are measured (:mod:`bonafide.cost`); how long a round trip to DynamoDB takes, and Google's
answer, cannot be measured without AWS and is assumed in ``bonafide/cost/prices.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bonafide.cost.costing import PARTS, Amounts, Prices, measured_paths, per_million
from devkit.simulation.usage import Usage

KMS_CALLS_OF_A_START: Final = 3
"""Wrapped keys that a renewing process unwraps when it starts: tokens', challenges' and facts' (service.keys)."""

START_SECONDS: Final = 0.51 * 1769 / 1024
"""Imports of ``renew_token``, docs/costs.md: what a cold start takes at least, at its share of a processor. SnapStart
restores instead, in a time that nothing here could measure; this stands for both."""


@dataclass(frozen=True, slots=True)
class Service:
    """One request of a route: which function, how long, and what it reads, writes and logs. ``vendor`` is the share of
    requests that wait for Google, ``hot_reads`` the reads of rows that all requests of an app share."""

    function: str
    seconds: float
    read_units: float = 0.0
    write_units: float = 0.0
    hot_reads: float = 0.0
    log_bytes: float = 0.0
    vendor: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    """Dollars, by the parts of :mod:`bonafide.cost`."""

    @property
    def dollars(self) -> float:
        """What one costs."""
        return sum(self.parts.values())


def measured_services(usage: Usage, prices: Prices) -> dict[str, Service]:
    """Each route as it was measured, mixed by the platforms that ``usage`` has."""
    paths = measured_paths()
    enrolled = {
        "enrolments, iOS": usage.ios,
        "enrolments, Android": usage.android,
        "enrolments, Android with Play": usage.android_play,
        "enrolments, HarmonyOS": usage.harmony,
    }
    renewed = {  # a renewal needs no Play token
        "renewals, iOS": usage.ios,
        "renewals, Android": usage.android + usage.android_play,
        "renewals, HarmonyOS": usage.harmony,
    }
    return {
        "challenges": _mixed(paths, {"challenges": 1.0}, prices),
        "enrolments": _mixed(paths, enrolled, prices, hot_reads=2.0),
        "renewals": _mixed(paths, renewed, prices, hot_reads=2.0),
        "policies": _mixed(paths, {"client policies": 1.0}, prices),
        "bundles": _mixed(paths, {"trust bundles": 1.0}, prices),
        "guarded": _mixed(paths, {"guarded requests (proof)": 1.0}, prices),
    }


def seconds_of(amounts: Amounts, prices: Prices) -> float:
    """How long a request takes without Google: processor time at its memory's share, and its round trips."""
    slower = max(1.0, prices.assumed["full_processor_mb"] / amounts.memory_mb)
    return (amounts.processor_ms * slower + amounts.round_trips * prices.assumed["round_trip_ms"]) / 1000


def _mixed(
    paths: Mapping[str, Amounts], shares: Mapping[str, float], prices: Prices, hot_reads: float = 0.0
) -> Service:
    whole = sum(shares.values())
    parts = [(paths[name], share / whole) for name, share in shares.items()]
    google = prices.assumed["google_ms"] / 1000
    return Service(
        function=parts[0][0].function,
        seconds=sum(share * (seconds_of(a, prices) + a.google_requests * google) for a, share in parts),
        read_units=sum(share * a.read_units for a, share in parts) - hot_reads,
        write_units=sum(share * a.write_units for a, share in parts),
        hot_reads=hot_reads,
        log_bytes=sum(share * a.log_bytes for a, share in parts),
        vendor=sum(share * a.google_requests for a, share in parts),
        parts={part: sum(share * per_million(a, prices)[part] for a, share in parts) / 1_000_000 for part in PARTS},
    )
