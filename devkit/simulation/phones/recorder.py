"""What a simulation counts of phones: goes, refusals, waits, calls that failed, installs that came too late."""

from __future__ import annotations

from dataclasses import dataclass, field

from devkit.simulation.latencies import Latencies
from devkit.simulation.region.stack import Served


@dataclass(slots=True)
class Recorder:
    """Counts, from the moment at which warming up is over. ``operations`` are tokens that phones went for, each with
    as many ``refusals`` until it was there; a call *failed* where its phone had no token and more than the client
    library's patience to wait for one."""

    is_on: bool = False
    operations: float = 0.0
    refusals: float = 0.0
    renewed: float = 0.0
    enrolled: float = 0.0
    calls: float = 0.0
    failed_calls: float = 0.0
    sent_back: float = 0.0
    """Calls that the gate answered with ``reattest``, which the client library renews for and sends again."""
    installs: float = 0.0
    lost_installs: float = 0.0
    in_use: float = 0.0
    waiting: float = 0.0
    renewals: Latencies = field(default_factory=Latencies)
    enrolments: Latencies = field(default_factory=Latencies)

    @property
    def attempts(self) -> float:
        """Goes for each token that was wanted."""
        return 1.0 if self.operations <= 0 else (self.operations + self.refusals) / self.operations


def add_served(latencies: Latencies, served: Served, count: float) -> None:
    """``count`` requests that were answered at once, some of them by a process that was starting."""
    latencies.add(served.seconds, count * (1.0 - served.cold))
    latencies.add(served.cold_seconds, count * served.cold)
