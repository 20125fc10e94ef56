"""``python -m tests.red_fleet``: every scenario of the red fleet as recorded decisions, through what reads, counts and
detects, faster than a thousand times; one table.

Exit code 1 where a scenario that must be named was not, or an ordinary day had an incident other than of keys, or more
than one in a thousand genuine keys named. Must show 1
of detectors (farms, brokers, a keybox) has a program of its own, `tests.detectors`; here they are in the table, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from devkit.fleet.population.scenarios import SCENARIOS
from tests.red_fleet.judged import Judged, judge

SMALL = 1_000
"""Phones of the small form, which ends each run when the scenario is named."""
SMALL_FORM = ("farm", "clones", "replays", "botched-release", "repackaged", "vendor-outage", "beacons", "ordinary-day")
"""What a thousand phones are enough for: batches and brokers are told by what many enrolments have in common."""
FALSE_KEYS = 0.001
"""Share of genuine keys that findings about keys may name: detectors state rates of false alarms, and none is zero."""
BY_RHYTHM = frozenset({"broker-careful"})
"""What rhythm alone gives away is not to be had with certainty: whatever the table shows."""


def main(arguments: Sequence[str]) -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.red_fleet", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], help="by default all")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--small", action="store_true", help=f"one seed, {SMALL} phones, each until it is named")
    chosen = parser.parse_args(arguments)
    seeds = [chosen.first] if chosen.small else range(chosen.first, chosen.first + chosen.seeds)
    print(f"{'scenario':17}{'seed':>5} {'named by':21}{'delay':>9}{'hostile keys':>14}{'genuine keys':>15}"
          f"{'decisions':>11}{'speed':>9}  other incidents")  # fmt: skip
    phones = SMALL if chosen.small else chosen.phones
    runs = [(name, seed) for name in chosen.scenarios or (SMALL_FORM if chosen.small else SCENARIOS) for seed in seeds]
    right = True
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(judge, name, seed, phones=phones, until_named=chosen.small) for name, seed in runs]
        for each in running:
            judged = each.result()
            print(row(judged), flush=True)
            right &= is_right(judged)
    print("Keys: those that a finding about keys named, of all of that side. Delay: from the first hostile decision.")
    return 0 if right else 1


def is_right(judged: Judged) -> bool:
    """Whether what must be named was, and what must be quiet is."""
    if not judged.expected:
        keys = len(judged.named & judged.genuine) <= max(1, FALSE_KEYS * len(judged.genuine))
        return keys and all(finding.scope == "key" for _, finding in judged.incidents.values())
    return judged.name in BY_RHYTHM or judged.first is not None


def row(judged: Judged) -> str:
    """One line of the table."""
    first = judged.first
    by = first[1].detector if first else "–" if not judged.expected else "NOT NAMED"
    delay = "" if judged.delay is None else told(judged.delay)
    genuine = judged.genuine - judged.hostile
    hostile = f"{len(judged.named & judged.hostile)}/{len(judged.hostile)}" if judged.hostile else ""
    others = ", ".join(f"{name} × {times}" for name, times in sorted(judged.others.items()))
    return (
        f"{judged.name:17}{judged.seed:5} {by:21}{delay:>9}{hostile:>14}"
        f"{len(judged.named & genuine):>8}/{len(genuine):<6}{judged.decisions:11,}{judged.speed:8,.0f}×  {others}"
    )


def told(seconds: float) -> str:
    """A delay for people."""
    return (
        f"{seconds:.0f} s"
        if seconds < 300
        else f"{seconds / 60:.0f} min"
        if seconds < 7_200
        else f"{seconds / 3600:.1f} h"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
