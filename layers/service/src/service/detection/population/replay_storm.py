"""Replay storm: requests that were sent before come again, more than the hour usually brings.

Slots: ``app``, and ``network/…`` for each network that such requests come from. A slot counts, in windows of ten
minutes, the requests that were refused because they were spent, too old or behind their counter, and learns what each
hour of the day brings: a gamma distribution of the rate with a week's memory. The next window's count is then negative
binomial, with the spread of the rate itself on top (:data:`SPREAD`). A count is a storm where its tail is below the
budget of false alarms divided by the windows (and, of networks, by how many there may be).

Keys are never named: the caller that recorded a request, or only repeats it, is not the phone that signed it.

False alarms: :data:`FALSE_ALARMS` a month for an app and for all its networks together, where rates vary by no more
than :data:`SPREAD`. What they are then: an outage of ours or of a carrier, after which honest apps send again what was
answered and lost. Windows of a storm teach no more than the threshold.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding, Remedy
from service.detection.population.packing import DAY, Distinct
from service.detection.population.tails import negative_binomial_tail
from service.detection.sighting import Sighting

REPLAYED: Final = frozenset({
    "challenge-spent", "challenge-expired", "challenge-mismatch", "counter-not-greater", "counter-not-zero",
    "key-already-enrolled", "proof-replayed", "proof-time", "proof-nonce", "integrity-token-time", "receipt-too-old",
})  # fmt: skip
WINDOW: Final = 600
FALSE_ALARMS: Final = 0.1
SPREAD: Final = 0.1
"""Relative variance of one window's rate around the hour's: a standard deviation of about a third."""
_NETWORKS: Final = 10_000
_PRIOR: Final = 1.0, 0.2
"""Shape and rate, in windows, of what is thought before anything is known: 5 in a window, anything from 0 to 20."""
_MEMORY: Final = 42.0
"""Windows that an hour of the day remembers: a week's."""
_WINDOWS: Final = 30 * DAY / WINDOW
_BITMAP: Final = 1_024
_HOURS: Final = struct.Struct(">48f")
_HEAD: Final = struct.Struct(">IddI")
_QUIET: Final = 3_600.0


@dataclass(slots=True)
class ReplayCounts:
    """``window`` is the number of the present one, ``seen`` its requests; ``since``, ``last`` and ``peak`` are of the
    storm, 0 where there is none; ``hours`` are shapes and rates."""

    window: int = 0
    since: float = 0.0
    last: float = 0.0
    peak: int = 0
    hours: list[float] = field(default_factory=lambda: list(_PRIOR * 24))
    seen: Distinct = field(default_factory=lambda: Distinct(bytes(_BITMAP)))

    def expected(self) -> tuple[float, float]:
        """Mean and relative variance of the present window's count."""
        place = 2 * (self.window * WINDOW // 3_600 % 24)
        shape, rate = self.hours[place : place + 2]
        return shape / rate, 1 / shape + SPREAD

    def turn(self, window: int, most: int) -> None:
        """Learn the windows that ended, of which those between had nothing, and begin another."""
        count = min(self.seen.count(), most)
        for past in range(self.window or window, min(window, self.window + 1_008)):
            place = 2 * (past * WINDOW // 3_600 % 24)
            kept = 1 - 1 / _MEMORY
            self.hours[place] = max(_PRIOR[0], self.hours[place] * kept + count)
            self.hours[place + 1] = self.hours[place + 1] * kept + 1
            count = 0
        self.window, self.seen = window, Distinct(bytes(_BITMAP))


class ReplayStorm:
    """See the module."""

    name: Final = "replay-storm"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        if sighting.outcome != "refused" or sighting.why not in REPLAYED:
            return ()
        return ("app", f"network/{sighting.network}") if sighting.network else ("app",)

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        held, chance = _read(state), FALSE_ALARMS / _WINDOWS / (1 if slot == "app" else _NETWORKS)
        most = limit(*held.expected(), chance)
        for sighting in sightings:
            window = int(sighting.at // WINDOW)
            if window < held.window or not sighting.id:
                continue  # a window that ended stays as it was learned
            if window > held.window:
                held.turn(window, most)
                most = limit(*held.expected(), chance)
            held.seen.add(sighting.id)
            count = held.seen.count()
            if count > most:
                held.since = held.since or window * WINDOW
                held.last, held.peak = max(held.last, sighting.at), max(held.peak, count)
        if held.since and held.window * WINDOW - held.last > _QUIET:
            held.since = held.last = 0.0
            held.peak = 0
        return Folded(_packed(held), _finding(slot, held, most, sightings), now + 8 * DAY)


def limit(mean: float, spread: float, chance: float) -> int:
    """The largest count that is still usual."""
    step = 1
    while negative_binomial_tail(step + 1, mean, spread) > chance:
        step *= 2
    low, high = step // 2, step
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if negative_binomial_tail(middle + 1, mean, spread) > chance else (low, middle)
    return high


def _read(state: bytes | None) -> ReplayCounts:
    if state is None:
        return ReplayCounts()
    window, since, last, peak = _HEAD.unpack_from(state)
    hours = list(_HOURS.unpack_from(state, _HEAD.size))
    return ReplayCounts(window, since, last, peak, hours, Distinct(state[_HEAD.size + _HOURS.size :]))


def _packed(held: ReplayCounts) -> bytes:
    head = _HEAD.pack(held.window, held.since, held.last, held.peak)
    return head + _HOURS.pack(*held.hours) + bytes(held.seen.bits)


def _finding(slot: str, held: ReplayCounts, most: int, sightings: Sequence[Sighting]) -> Finding | None:
    if not held.since:
        return None
    network = slot.partition("/")[2]
    app = sightings[-1].app
    where = "from one network" if network else "for this app"
    return Finding(
        detector=ReplayStorm.name,
        subject=slot,
        app=app,
        since=held.since,
        last=max(held.last, held.since),
        title=f"{held.peak} requests in ten minutes were sent before, {where}.",
        counts={"requests": held.peak, "usual": most},
        named={"network": network} if network else {"app": app},
        confidence=0.9,
        because=(
            f"{held.peak} requests were spent, too old or behind their counter in ten minutes; at this hour, more than "
            f"{most} are expected in less than one window of {round(1 / FALSE_ALARMS)} months.",
            "The keys in them are of phones that signed once. An attacker who recorded that sends it again.",
        ),
        scope="network" if network else "population",
        remedy=Remedy(
            kind="look",
            text="Each of these requests was refused. Look at the funnel: after an outage, honest apps send again what "
            "was lost. Otherwise bound the network's rate at the edge (docs/floods.md).",
        ),
        quiet_after=_QUIET,
    )
