"""What two of the drills found, for the tables that tell it."""

from __future__ import annotations

from pathlib import Path

from devkit.chaos.histories import Struck
from devkit.chaos.invariants import Breach, Verdict
from devkit.chaos.run import Outcome
from devkit.chaos.schedule import schedule
from devkit.fleet.drills.flood import Flood
from devkit.fleet.drills.outbreak import Effect, Replayed, Told

CHAOS = Outcome(
    seed=7,
    seconds=45.0,
    faults=schedule(7, 45),
    struck=(Struck(number=1, kind="torn-call", began=1.0, ended=2.0, touched=("call 1",)),),
    verdicts=(Verdict("once", "a nonce has one redemption", 3, [Breach("nonce n was committed twice", ("call 1",))]),),
    exchanges=10,
    changes=1,
    folder=Path("chaos"),
)
EFFECT = Effect(version=1, first=1.0, everywhere=2.0, requests={}, most_renewals=1)
TOLD = Told(
    timeline=(),
    genuine=1,
    hooked=0,
    replayed=Replayed(keys=1, refused=frozenset(), decisions=1, seconds=0.1),
    genuine_in_replay=0,
    published=EFFECT,
    rolled_back=EFFECT,
)
FLOOD = Flood(
    addresses=10_000,
    network="64496",
    offered=10_000,
    seconds=10.0,
    answers={"POST /v1/challenges 429": 9_000},
    blocked=1_000,
    honest=20,
    honest_enrolled=2,
    cold=5,
    cold_up=5,
    documents_asked=40,
)
