"""``python -m tests.regions``: two whole regions with a second between them, raced, lost and asked for each other's
tokens; and the same race against regions without homes, which has to end badly. ``--short`` is what CI runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bonafide.operator.errors import OperatorError
from bonafide.operator.layout import LocalStackError
from tests.regions import loss
from tests.regions.bed import EU, US, DrillFailed, running_bed
from tests.regions.gates import pass_everywhere
from tests.regions.published import hold_everywhere
from tests.regions.race import RACERS, enrolments, renewals, require_trap

_BEGIN = time.monotonic()


def say(line: str) -> None:
    """One line, and when."""
    print(f"{time.monotonic() - _BEGIN:6.1f} s  {line}", flush=True)


def with_homes(short: bool) -> None:
    """What must hold."""
    with running_bed(say) as bed:
        for home in (EU,) if short else (EU, US):
            for race in (enrolments, renewals):
                raced = race(bed, home, RACERS)
                say(str(raced))
                raced.require_once()
        for (home, gate), seconds in pass_everywhere(bed).items():
            say(f"a token of {home} passes at the gate of {gate}, {seconds:.1f} s after its bundle was published")
        for what, held in hold_everywhere(bed).items():
            told = ", ".join(f"{region} after {passed:.1f} s" for region, passed in held.items())
            say(f"bonafide {what} in eu holds in {told}")
        say(str(loss.lose_a_region(bed, loss.SHORT if short else loss.FULL, say)))
        counts = bed.stacks.replicator.counts
        say(
            f"replication: {counts.copied} rows copied, {counts.lost} lost to a later write, {counts.repeated} repeated"
        )


def without_homes(short: bool) -> None:
    """What goes wrong where no challenge has a home, although even the spent nonces replicate."""
    with running_bed(lambda line: say(f"without homes: {line}"), named=False, shared=("nonces",)) as bed:
        raced = enrolments(bed, EU, 100 if short else RACERS)
        say(f"without homes: {raced}")
        require_trap(raced)


def main() -> int:
    """Run the drill; 0 if all that must hold does."""
    arguments = argparse.ArgumentParser(prog="python -m tests.regions")
    arguments.add_argument("--short", action="store_true", help="smaller, with fast clocks in phones")
    short = arguments.parse_args().short
    parts: tuple[Callable[[bool], None], ...] = (with_homes, without_homes)
    with ThreadPoolExecutor(len(parts)) as both:
        failed = [one.exception() for one in [both.submit(part, short) for part in parts]]
    for error in failed:
        if isinstance(error, DrillFailed | OperatorError | LocalStackError):
            print(f"FAILED: {error}", file=sys.stderr)
        elif error is not None:
            raise error
    return 1 if any(failed) else 0


if __name__ == "__main__":
    sys.exit(main())
