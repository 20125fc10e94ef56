"""``python -m tests.quiet_month``: how often the detectors of rates are wrong, and when they are right.

Days of a million decisions, as tallies, overdispersed, with the rhythm of day and week, two registered releases and a
holiday, looked at once a minute; then a release that was not registered. ``--full`` takes ten seeds of thirty days
(about twenty minutes of one processor), ``--power`` tells the smallest jump that is told, and after how long.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

from devkit.fleet.population.tallies import plan, tallies  # isort: skip
from devkit.fleet.population.world import APP, START  # isort: skip
from service.detection.rates.window import KnownBuild  # isort: skip
from service.tallies.rows import TallyRow  # isort: skip
from tests.quiet_month.botched import PHONES, told  # isort: skip
from tests.quiet_month.days import Days, Release  # isort: skip
from tests.quiet_month.power import bounds, table  # isort: skip
from tests.quiet_month.stand import Reader, Stand, by_minute  # isort: skip

GOAL = 1.0
"""False incidents a month at most."""
MONTH = 30.0
SHORT = 3.0
"""Days of the short form."""
SEEDS = range(201, 211)
"""Not used while the detectors' bounds were chosen."""
FIRST_REFUSED = 0.01
__all__ = ["ROOT"]

_Minutes = Iterator[tuple[int, list[TallyRow]]]


def _ours(seed: int, days: float) -> tuple[Reader, _Minutes]:
    """Many reasons, new models and systems, emulators, growth."""
    part = days / MONTH
    world = Days(seed, releases=(Release("4300", 8 * part), Release("4310", 21 * part)), holidays=(int(18 * part),))
    return Reader(world.app, world.builds), world.minutes(days)


def _fleets(seed: int, days: float) -> tuple[Reader, _Minutes]:
    """The population of the fleet."""
    registered = plan("quiet-month", seed, days).registered
    builds = {
        KnownBuild(table, build): at for build, at in registered.items() for table in ("apple", "android", "harmony")
    }
    return Reader(APP, builds), by_minute(tallies("quiet-month", seed, days), int(START))


WORLDS: dict[str, Callable[[int, float], tuple[Reader, _Minutes]]] = {"fleet's": _fleets, "with newcomers": _ours}


def quiet(world: str, seed: int, days: float) -> Stand:
    """So many quiet days before the detectors."""
    reader, minutes = WORLDS[world](seed, days)
    stand = Stand()
    for at, rows in minutes:
        window = reader.window(at, rows)
        assert window is not None
        stand.look(window)
    return stand


def interval(count: int) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson mean of which ``count`` were seen (Garwood)."""
    return (0.0 if count == 0 else _mean(count - 1, 0.975)), _mean(count, 0.025)


def _mean(count: int, below: float) -> float:
    """The mean of which ``count`` or fewer come with this chance."""
    low, high = 0.0, 10.0 * count + 20.0
    for _ in range(80):
        middle = (low + high) / 2
        chance = sum(math.exp(-middle + k * math.log(middle or 1e-300) - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if chance > below else (low, middle)
    return low


def main() -> int:
    """Print the tables; 0 if the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.quiet_month")
    parser.add_argument("--full", action="store_true", help="ten seeds of thirty days")
    parser.add_argument("--power", action="store_true", help="the smallest jumps that are told")
    parser.add_argument("--seeds", type=int, default=0, help="so many seeds")
    parser.add_argument("--world", choices=sorted(WORLDS), help="one of the worlds alone")
    chosen = parser.parse_args()
    if chosen.power:
        for part in (bounds(), table()):
            for line in part:
                print(line, flush=True)
        return 0
    days, seeds = (MONTH, SEEDS) if chosen.full else (SHORT, SEEDS[:1])
    seeds = SEEDS[: chosen.seeds] if chosen.seeds else seeds
    held = True
    for world in [chosen.world] if chosen.world else WORLDS:
        held &= _quiet_table(world, seeds, days)
    return 0 if held & _botched_table(seeds if chosen.full else SEEDS[:1]) else 1


def _quiet_table(world: str, seeds: range, days: float) -> bool:
    print(f"{len(seeds)} times {days:.0f} quiet days of a million decisions ({world})", flush=True)
    found: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for seed in seeds:
        stand = quiet(world, seed, days)
        found.update(incident.finding.detector for incident in stand.incidents)
        sizes |= Counter(stand.bytes)
        told_of = "; ".join(incident.finding.title for incident in stand.incidents)
        print(f"  seed {seed}: {len(stand.incidents)} in {stand.looks:,} looks {told_of}", flush=True)
    months = len(seeds) * days / MONTH
    low, high = interval(found.total())
    rate = found.total() / months
    print(f"  false incidents a month: {rate:.2f} (95 %: {low / months:.2f} to {high / months:.2f}); goal {GOAL:g}")
    print(f"  of {', '.join(f'{name} {found[name]}' for name in sorted(sizes))}")
    print(f"  largest states, in bytes: {', '.join(f'{name} {size:,}' for name, size in sorted(sizes.items()))}")
    return rate <= GOAL


def _botched_table(seeds: range) -> bool:
    print(f"A release that was not registered, {PHONES:,} phones")
    held = True
    for seed in seeds:
        found = told(seed)
        if found is None:
            print(f"  seed {seed}: never told")
            held = False
            continue
        own, remedy = found.finding.own_signer_share, found.finding.remedy
        print(
            f"  seed {seed}: told {found.seconds:.0f} s after the first refusal, after {found.refusals} of "
            f"{found.installs} installs; refused twice {found.share:.2%} of users; own signer "
            f"{'unknown' if own is None else f'{own:.0%}'}; {remedy.kind}: {remedy.command}",
            flush=True,
        )
        held &= found.share < FIRST_REFUSED and own is not None and own > 0.5
        held &= remedy.kind == "register-build" and not remedy.rule
    return held


if __name__ == "__main__":
    sys.exit(main())
