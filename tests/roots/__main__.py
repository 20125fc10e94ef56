"""``python -m tests.roots``: the root key is changed under load, and again with a step left out (make roots-drill)."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path[:0] = sorted(map(str, (Path(__file__).parents[2] / "functions").iterdir()))  # as pytest has them

from service.telemetry.decisions import logger  # noqa: E402 # isort: skip
from devkit.local.aws import running_ministack  # noqa: E402 # isort: skip
from tests.roots.drill import Outcome, run  # noqa: E402 # isort: skip
from tests.service_stack.worlds import ministack_world  # noqa: E402 # isort: skip

_AWS = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def main() -> int:
    """0 when nothing was refused, and each step that was left out showed."""
    parser = argparse.ArgumentParser(prog="python -m tests.roots", description=__doc__)
    parser.add_argument("--phones", type=int, default=4)
    parser.add_argument("--wait", type=float, default=1.0, help="seconds between two steps")
    parser.add_argument("--long", action="store_true", help="leave out each step in turn, not one alone")
    options = parser.parse_args()
    failed = False
    with running_ministack() as url, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.environ.update(_AWS, AWS_ENDPOINT_URL=url)
        for handler in logger().handlers:
            handler.setStream(nowhere)  # type: ignore[attr-defined]  # what functions log is no news here
        for without in ("", "add-set", *(("gate-elsewhere",) if options.long else ())):
            began = time.monotonic()
            print("The whole change:" if not without else f"Without the step {without}:")
            outcome = run(ministack_world(url), phones=options.phones, wait=options.wait, without=without)
            _show(outcome, time.monotonic() - began)
            good = outcome.whole and outcome.refused > 0
            if not without:
                good = outcome.whole and outcome.refused == 0 and outcome.sleeper_woke
            print(f"  {'as it must be' if good else 'NOT AS IT MUST BE'}\n")
            failed |= not good
    return int(failed)


def _show(outcome: Outcome, seconds: float) -> None:
    counts = outcome.counts
    for kind in sorted(counts.asked):
        print(f"  {kind:16} {counts.asked[kind]:6} asked {counts.refused[kind]:6} refused")
    woke = "follows both sets" if outcome.sleeper_woke else "believes nothing any more"
    print(f"  an app that slept through it {woke}; {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
