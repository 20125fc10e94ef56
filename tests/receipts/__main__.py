"""`python -m tests.receipts`: months of exchanges over thousands of receipts, with a day's outage, 429s and 404s.

Prints what happened, and fails where a receipt was lost, the pace was not kept, or a value was not read again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from service.receipts.stored_receipt import DAY, Outcome
from service.vendors.outbound import Answer, Unreachable

from tests.receipts.simulated import PER_SECOND, START, Crash, World

HOUR = 3600
OUTAGE = (2 * DAY, 3 * DAY)
THROTTLED = (4 * DAY, 4 * DAY + 6 * HOUR)


def main() -> int:
    """The exit code: 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--receipts", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.process_time()
    world = World(seed=arguments.seed)
    phones = [world.phone() for _ in range(arguments.receipts * 2 // 3)]
    keys = [world.enrol(world.chance.choice(phones)) for _ in range(arguments.receipts)]
    world.network = _plan
    crashes = _days(world, 6)
    after_outage = {world.receipts.rows[key_id].read_at or 0 for key_id in keys}
    lost = sum(not world.holds(key_id) for key_id in keys)
    _say("receipts", len(keys))
    _say("lost after 6 days, a day of them without Apple", lost)
    oldest = world.now - min(after_outage)
    _say("oldest value after that, in hours", oldest / HOUR)
    world.network = lambda _world, _receipt: None
    sample = keys[: arguments.receipts // 10]
    for key_id in keys[len(sample) :]:  # the tenth goes on for two months
        del world.receipts.rows[key_id], world.keys.rows[key_id]
    world.minutes(34 * 24 * 60)
    missing = sum(world.receipts.rows[key_id].outcome is Outcome.NO_DATA for key_id in sample)
    kept = sum(world.receipts.rows[key_id].risk_metric is not None for key_id in sample)
    for key_id in sample:
        world.enrol(world.phones[key_id])
    world.minutes(8 * 24 * 60)
    revived = sum(world.receipts.rows[key_id].outcome is Outcome.READ for key_id in sample)
    lost += sum(not world.holds(key_id) for key_id in sample)
    fastest = world.fastest_second()
    _say("no data a month after the last attestation", f"{missing} of {len(sample)}, {kept} with the last value")
    _say("read again within 8 days of a new attestation", f"{revived} of {len(sample)}")
    _say("questions", f"{len(world.asked)}: {dict(sorted(world.statuses.items()))}")
    _say("processes that ended in the middle", crashes)
    _say("most questions in a second", f"{fastest} of {PER_SECOND} allowed")
    _say("receipts lost", lost)
    _say("seconds of processor time", f"{time.process_time() - began:.0f} for {(world.now - START) / DAY:.0f} days")
    whole = lost == 0 and fastest <= PER_SECOND and kept == revived == missing == len(sample)
    return 0 if whole and oldest < 2 * DAY else 1


def _days(world: World, days: int) -> int:
    """Runs for so many days; one in a hundred ends in the middle of a write."""
    crashes, calls = 0, Counter[str]()

    def strike(call: str) -> None:
        calls[call] += 1
        if call in ("note", "replace", "replaced") and calls[call] % 1_499 == 0:
            raise Crash

    world.receipts.fail = world.keys.fail = strike
    until = world.now + days * DAY
    while world.now < until:
        try:
            world.minutes(int((until - world.now) // 60) + 1)
        except Crash:
            crashes += 1
            world.now += 60
    world.receipts.fail = world.keys.fail = lambda _call: None
    return crashes


def _plan(world: World, _receipt: bytes) -> Answer | None:
    at = world.now - START
    if OUTAGE[0] <= at < OUTAGE[1]:
        if world.chance.random() < 0.5:
            raise Unreachable("no whole answer within 6 s")
        return Answer(503, {}, b"")
    if THROTTLED[0] <= at < THROTTLED[1] and world.chance.random() < 0.2:
        return Answer(429, {"retry-after": "60"} if world.chance.random() < 0.5 else {}, b"")
    return None


def _say(what: str, value: object) -> None:
    print(f"{what:50} {value if not isinstance(value, float) else f'{value:.1f}'}")


if __name__ == "__main__":
    sys.exit(main())
