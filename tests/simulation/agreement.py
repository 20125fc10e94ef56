"""``python -m tests.simulation.agreement``: phones one by one beside cohorts, at 10⁵ and at 10⁶.

    python -m tests.simulation.agreement [--small]

Counts that are large enough for chance to say little must differ by 5 % at most. Prints both, with seconds and MiB;
exit code 1 where they differ more, or a run takes more than ten minutes or 8 GiB. ``--small``: 20,000 phones only.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from devkit.simulation.models import model
from devkit.simulation.report import dollars
from devkit.simulation.run import Model, Run, simulate
from devkit.simulation.scenarios import HOUR, SCENARIOS, Scenario

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
MOST_DIFFERENCE = 0.05
ENOUGH = 2_000.0
"""Counts below are chance's: 2,000 phones drawn one by one differ by 4.5 % in one run of twenty."""
LONGEST, LARGEST = 600.0, 8 * 1024

HOURS = replace(SCENARIOS["ordinary-day"], seconds=HOUR, step=2.0, start=19.5 * HOUR, warm=1_200.0)


class Compared(NamedTuple):
    """One figure by both methods."""

    name: str
    events: float
    cohorts: float

    @property
    def difference(self) -> float:
        """As a share of the larger one; 0 where both are too small to say."""
        most = max(self.events, self.cohorts)
        return abs(self.events - self.cohorts) / most if most >= ENOUGH else 0.0


def compared(name: str, scenario: Scenario, phones: int, played: Model) -> tuple[list[Compared], Run, Run]:
    """The figures of a scenario, and both runs."""
    events = simulate(name, scenario, phones, played, as_cohorts=False)
    cohorts = simulate(name, scenario, phones, played, as_cohorts=True)
    return list(_figures(events, cohorts, played)), events, cohorts


def _figures(events: Run, cohorts: Run, played: Model) -> Iterator[Compared]:
    routes = cohorts.routes()
    for route, count in events.routes().items():
        yield Compared(f"{route}", count, routes.get(route, 0.0))
    one, other = events.recorder, cohorts.recorder
    for name in ("operations", "renewed", "enrolled", "refusals", "sent_back", "calls", "failed_calls"):
        yield Compared(name, float(getattr(one, name)), float(getattr(other, name)))
    yield Compared("turned away", sum(events.refused().values()), sum(cohorts.refused().values()))
    cost = [sum(dollars(run, played.services).values()) * 1e6 for run in (events, cohorts)]
    yield Compared("millionths of a dollar", *cost)


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.agreement")
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    default, raised = model(TEMPLATE), model(TEMPLATE, raised=True)
    plays = (
        ("ordinary hour, default limits", HOURS, default),
        ("now-publication, default limits", SCENARIOS["now-publication"], default),
        ("app-release, raised limits", replace(SCENARIOS["app-release"], seconds=HOUR), raised),
    )
    failed = 0
    for phones in (20_000,) if small else (100_000, 1_000_000):
        for name, scenario, played in plays[:2] if small else plays:
            began = time.monotonic()
            figures, _events, _cohorts = compared(name, scenario, phones, played)
            took, size = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            worst = max(figures, key=lambda one: one.difference)
            print(
                f"{phones:,} phones, {name}: {worst.difference:.1%} at most ({worst.name}); "
                f"{took:.0f} s, {size:.0f} MiB"
            )
            for one in figures:
                print(f"    {one.name:24}{one.events:16,.0f}{one.cohorts:16,.0f}{one.difference:8.1%}", flush=True)
            failed += worst.difference > MOST_DIFFERENCE or took > LONGEST or size > LARGEST
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
