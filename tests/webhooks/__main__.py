"""`make webhook-drill`: the drill with many events, judged by npm's ``standardwebhooks``; fails where that does."""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stdout

from tests.webhooks.drill import drill
from tests.webhooks.judges import npms_standardwebhooks

EVENTS = 240
SEEDS = (101, 102, 103)
COLUMNS = (
    *("seed", "receiver", "events", "arrived", "twice", "attempts"),
    *("down", "lost", "copies", "late or early", "last after"),
)


def main() -> int:
    begin = time.monotonic()
    print("  ".join(COLUMNS))
    holds = True
    with npms_standardwebhooks() as judge:
        for seed in SEEDS:
            with redirect_stdout(io.StringIO()):  # the function's own log
                shown = drill(judge, events=EVENTS, seed=seed)
            for one in shown:
                cells = (
                    *(seed, one.receiver, one.events, one.arrived, one.taken_twice, one.attempts),
                    *(one.refused_connections, one.lost_answers, one.copies, one.refused_for_time),
                    f"{one.last_after:.0f} min",
                )
                print("  ".join(str(cell).rjust(len(name)) for cell, name in zip(cells, COLUMNS, strict=True)))
                if not one.holds:
                    print(f"does not hold: {one}")
                    holds = False
    print(f"every event arrived, once by its id, each attempt signed anew: {'yes' if holds else 'NO'}")
    print(f"in {time.monotonic() - begin:.0f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
