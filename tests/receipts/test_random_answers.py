"""Whatever Apple answers, and wherever the process ends: no receipt is lost, and the pace is kept."""

from __future__ import annotations

import base64
import random
from typing import Final

import pytest
from service.errors import Unavailable
from service.receipts.stored_receipt import DAY, Outcome
from service.vendors.outbound import Answer, Unreachable

from tests.receipts.simulated import PER_SECOND, Crash, World

MOMENTS: Final = ("due", "lease", "find", "key", "note", "noted", "replace", "replaced", "give_back")
ANSWERS: Final = (200, 200, 200, 404, 304, 400, 401, 429, 500, 503, None, "junk", "same", "other")


class Fate:
    """Draws what happens next. With ``trouble`` 0 nothing does."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.trouble = chance, 0.3

    def network(self, world: World, receipt: bytes) -> Answer | None:
        if self.chance.random() >= self.trouble:
            return None
        answer = self.chance.choice(ANSWERS)
        if answer is None:
            raise Unreachable("connection failed")
        if isinstance(answer, int):
            headers = {"retry-after": str(self.chance.randrange(1, 900))} if self.chance.random() < 0.3 else {}
            return None if answer == 200 else Answer(answer, headers, b"")
        other = self.chance.choice(list(world.receipts.rows.values())).receipt
        bodies = {"junk": self.chance.randbytes(40), "same": receipt, "other": other}
        return Answer(200, {}, base64.b64encode(bodies[answer]))

    def strike(self, call: str) -> None:
        if self.chance.random() < self.trouble / 12:
            if call in MOMENTS and self.chance.random() < 0.5:
                raise Crash
            if call not in ("replaced", "noted"):
                raise Unavailable(f"dynamodb: {call}")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(1, 60))])
def test_no_sequence_of_answers_and_crashes_loses_a_receipt(seed: int) -> None:
    """After each run the invariant holds; after the trouble every receipt is read again."""
    world = World(seed=seed, per_second=PER_SECOND)
    fate = Fate(random.Random(seed))
    world.network = fate.network
    world.receipts.fail = world.keys.fail = fate.strike
    phones = [world.phone() for _ in range(3)]
    keys = [world.enrol(phone) for phone in phones for _ in range(2)]
    newest = dict.fromkeys(keys, 0)
    for _ in range(60):
        try:
            world.run()
        except Crash:
            pass
        world.now += fate.chance.choice((60, 60, 600, DAY / 4))
        for key_id in keys:
            row = world.receipts.rows[key_id]
            assert row.made_at >= newest[key_id], "an older receipt took a newer one's place"
            newest[key_id] = row.made_at
            assert world.holds(key_id) or not row.noted or world.keys.risks[key_id][1] * 1000 > row.made_at
    fate.trouble = 0.0
    world.minutes(9 * 24 * 60)
    assert world.holds_every_receipt()
    assert {world.receipts.rows[key_id].outcome for key_id in keys} == {Outcome.READ}
    assert world.fastest_second() <= PER_SECOND
