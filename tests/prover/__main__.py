"""``python -m tests.prover``: the prover's encoding against Cedar, and each operator mutated.

    python -m tests.prover [--drafts N] [--seed SEED] [--mutants N]

Random drafts and facts, judged by Cedar and by the encoding; then, for each mutant of an operator, drafts until one
differs. Exit code 1 where anything differs, or a mutant survives.
"""

from __future__ import annotations

import argparse
import time

from tests.prover.agreement import compared
from tests.prover.mutants import MUTANTS, mutated


def main() -> int:
    """Prints one line for the agreement, and one for each mutant."""
    parser = argparse.ArgumentParser(prog="python -m tests.prover")
    parser.add_argument("--drafts", type=int, default=5_000, help="each with facts of two devices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", type=int, default=3_000, help="drafts for a mutant, at most")
    given = parser.parse_args()
    began = time.monotonic()
    tally = compared(given.seed, given.drafts)
    print(
        f"{tally.compared} drafts and facts compared in {time.monotonic() - began:.0f} s: {len(tally.differing or ())}"
        f" differ; evaluation failed for {tally.failed}; {tally.refused} drafts were no policies"
    )
    for text, facts, engine, ours in (tally.differing or [])[:3]:
        print(f"{text}\n{facts}\nCedar: {engine}\nencoding: {ours}")
    alive = 0
    for name in MUTANTS:
        with mutated(name):
            found = compared(given.seed + 1, given.mutants, until_one_differs=True)
        alive += not found.differing
        print(f"{name:32} {'seen after ' + str(found.compared) if found.differing else 'NOT SEEN'}", flush=True)
    print(f"{len(MUTANTS) - alive} of {len(MUTANTS)} mutants seen")
    return 1 if tally.differing or alive else 0


if __name__ == "__main__":
    raise SystemExit(main())
