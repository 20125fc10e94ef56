"""``python -m tests.costs.memory [KEYS]``: what memory detectors take while so many keys come by, ten million by
default.

Every key enrols behind one certificate of a device, one batch and one network, and renews once, as nothing fills a slot
more. States are kept elsewhere, as in Lambda: here the last of them, and their sizes.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bonafide_tokens.jose import b64url_encode
from service.detection.detector import MAX_STATE
from service.detection.detectors import POPULATION_DETECTORS
from service.detection.population.replay_storm import REPLAYED
from service.detection.sighting import Sighting
from service.detection.slots import Held, Slot
from service.incidents.running import show

KEYS = 10_000_000
_TOGETHER = 1_000
_KEPT = 256
_BEGIN = 1_795_000_000.0
WHY = ("", "counter-not-greater", *sorted(REPLAYED), "")
_EVERY = 0.01  # seconds from one key to the next


@dataclass
class Elsewhere:
    """Slots of a table: this process has those that it used last."""

    states: OrderedDict[Slot, tuple[bytes, str]] = field(default_factory=OrderedDict)
    writes: int = 0
    largest: dict[str, int] = field(default_factory=dict)

    def read(self, slots: Sequence[Slot], now: float, *, newest: bool = False) -> Mapping[Slot, Held]:
        del now, newest
        return {slot: Held(*self.states.get(slot, (None, ""))) for slot in slots}

    def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
        del before, keep_until, now
        self.writes += 1
        if state is not None:
            self.largest[slot.detector] = max(self.largest.get(slot.detector, 0), len(state))
            self.states[slot] = state, str(self.writes)
            self.states.move_to_end(slot)
            while len(self.states) > _KEPT:
                self.states.popitem(last=False)
        return True


def deliveries(keys: int) -> Iterator[list[Sighting]]:
    """Half of each delivery enrols, half renews."""
    half = _TOGETHER // 2
    for first in range(0, keys, half):
        at = _BEGIN + first * _EVERY
        numbers = range(first, min(first + half, keys))
        yield [_sighting(source, number, at) for source in ("enrol", "renew") for number in numbers]


def _sighting(source: str, number: int, at: float) -> Sighting:
    key_id = b64url_encode(hashlib.sha256(number.to_bytes(8)).digest())
    kind = "rkp" if number % 2 else "factory"
    why = WHY[number % len(WHY)]
    return Sighting(
        at=at,
        app="demo",
        source=source,
        outcome="refused" if why else "accepted",
        why=why,
        key_id=key_id,
        proved=True,
        platform="android",
        app_build="4207",
        os="16",
        model="Pixel 9",
        country="DE",
        signer="own",
        issuer=kind,
        issuer_kind=kind,
        network="network",
        request_key="one" if number % 3 == 0 else key_id,
        delay=1.0,
        counter=number % 7,
        risk_metric=number % 11,
        enrolled_hours=1.0,
        home_country="NL",
        id=f"{source}{key_id}",
    )


def main(keys: int) -> None:
    """Run, and print; an error where a detector failed."""
    slots, failures = Elsewhere(), dict[str, Exception]()
    began, before = time.thread_time(), _peak()
    for number, those in enumerate(deliveries(keys)):
        show(those, POPULATION_DETECTORS, slots, now=those[-1].at, failed=failures.setdefault)  # type: ignore[arg-type]
        if number == 0:
            before = _peak()
    print(f"{keys:,} keys, {2 * keys:,} decisions, {time.thread_time() - began:,.0f} s of a processor")
    print(f"peak memory of the process: {_peak():.0f} MB, after the first delivery {before:.0f} MB")
    for detector, size in sorted(slots.largest.items()):
        print(f"largest state of {detector}: {size:,} bytes of {MAX_STATE:,}")
    for detector, error in failures.items():
        raise SystemExit(f"{detector} failed: {error!r}")


def _peak() -> float:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else KEYS)
