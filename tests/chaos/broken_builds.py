"""``python -m tests.chaos.broken_builds``: each invariant's broken build is caught, by that invariant.

``--name TEXT`` takes only builds whose name holds it (may repeat), ``--together N`` runs N stacks at once, ``--sound
SECONDS`` runs the source as it is first, with every kind of fault. Exit code 0 only if every broken build was caught
and the sound one was not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bonafide.operator.layout import Layout
from devkit.chaos.invariants import Verdict
from devkit.chaos.run import Outcome, run_chaos
from devkit.commands.chaos import print_outcome
from tests.chaos.builds import BUILDS, BrokenBuild, build
from tests.stack_ports import own_ports

SIZE = 8
ATTEMPTS = 3
_printing = threading.Lock()


def caught(broken: BrokenBuild, folder: Path, seed: int) -> bool:
    """Run one broken build, and print by which invariants it was caught. What is broken shows only when requests meet:
    where a slow machine makes too few of them, the next run is twice as long."""
    layout = build(folder, broken)
    found: dict[str, Verdict] = {}
    for attempt in range(ATTEMPTS):
        seconds = broken.seconds * 2**attempt
        ports = own_ports(example=False)
        outcome = run_chaos(layout, ports, seconds=seconds, seed=seed + attempt, kinds=broken.kinds, size=SIZE)
        found = {verdict.invariant: verdict for verdict in outcome.verdicts if verdict.breaches}
        if broken.invariant in found:
            break
    right = broken.invariant in found
    with _printing:
        print(f"{broken.name}: {'caught' if right else 'NOT CAUGHT'} by {', '.join(found) or 'no invariant'}")
        for verdict in found.values():
            print(
                f"  {verdict.invariant}: {len(verdict.breaches)} of {verdict.checked}: {verdict.breaches[0].sentence}"
            )
            for line in verdict.breaches[0].evidence:
                print(f"    {line}")
        sys.stdout.flush()
    return right


def sound(seconds: float, seed: int) -> Outcome:
    """Run the source as it is."""
    layout = Layout.of_this_project()
    own = Layout(layout.root, layout.stacks / "chaos-sound")
    outcome = run_chaos(own, own_ports(example=False), seconds=seconds, seed=seed)
    print_outcome(outcome)
    sys.stdout.flush()
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", action="append", help="only builds whose name holds this; may repeat")
    parser.add_argument("--together", type=int, default=1, help="how many stacks run at once")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sound", type=float, default=0.0, help="seconds of the sound build; none without it")
    given = parser.parse_args(arguments)
    chosen = [one for one in BUILDS if not given.name or any(name in one.name for name in given.name)]
    if not chosen:
        parser.error("no broken build has such a name")
    began = time.monotonic()
    good = not given.sound or sound(given.sound, given.seed).holds
    with tempfile.TemporaryDirectory(prefix="bonafide-chaos-") as name, ThreadPoolExecutor(given.together) as pool:
        folders = [Path(name) / str(number) for number in range(len(chosen))]
        results = list(pool.map(caught, chosen, folders, [given.seed] * len(chosen)))
    kept = f", and the sound one {'holds' if good else 'is BROKEN'}" if given.sound else ""
    print(f"{sum(results)} of {len(results)} broken builds caught{kept}; {time.monotonic() - began:.0f} s")
    return 0 if good and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
