"""Attestation broker: keys for hire, told by what phones in a pocket do not do.

Evidence that is relayed comes later than a phone's own. A key that is rented is used elsewhere, minutes after it
enrolled, and for as long as a script runs: at night, and without a pause. None of this is proof. So each is measured as
surprise against the app's own population (:mod:`.usual`): how late, at which hour, where, in how long a run of renewals
that follow within ten minutes.

A key's sightings are alike: a slow phone is slow each time. So of each kind the mean surprise counts, as that of no
more than :data:`WORTH` independent sightings. The evidence of a kind is -ln of the chance that a sum of so many
exponential variables is as large (Fisher's method), at most :data:`MOST`; that of all kinds is combined likewise. A key
is named when the chance is below :data:`FALSE_KEYS`.

False alarms: :data:`FALSE_KEYS` of the keys, as far as phones of one population differ no more than the worths allow,
and kinds are independent. What they are then: a phone on a desk in another time zone behind a slow VPN, used all day.
Where keys are relayed at once, used where they enrolled and only in sessions as a phone's, a broker is not told from a
phone.

A key is followed once it surprises (p ≤ 2 %); what began it does not count. A few are followed by lot, so that the runs
of ordinary keys are known. An ordinary renewal of another key writes nothing. Bounded: a platform of an app has four
slots, each follows 44 keys and names 50; those with the least evidence, and those named longest ago, go first.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding
from service.detection.population.packing import DAY, KEPT, KEY, digest_of, key_bytes, key_text, shard_of
from service.detection.population.remedies import drafted_rule
from service.detection.population.tails import erlang_tail
from service.detection.population.usual import SIZE, Usual
from service.detection.sighting import Sighting

FALSE_KEYS: Final = 1e-4
WORTH: Final = {"late": 4, "hour": 4, "place": 1, "run": 1}
"""Of how many independent sightings a key's are worth, at most."""
LIMIT: Final = -math.log(FALSE_KEYS)
MOST: Final = 10.0
"""Nats of one kind, at most: 4.6 of those that are needed, so no kind names a key alone, however slow its network."""
BEGINS: Final = -math.log(0.02)
LEAST: Final = 5
"""Sightings of a key, before which nothing is said of it."""
PAUSE: Final = 600.0
_SHARDS: Final = 4
_FOLLOWED: Final = 44
_BY_LOT: Final = 16
_NAMED: Final = 50
_FORGOTTEN: Final = 48.0
"""Hours."""
_HOUR: Final = 3_600.0
_QUIET: Final = float(DAY)
_DIGEST: Final = 8
_HEAD: Final = struct.Struct(">BB")
_ENTRY: Final = struct.Struct(f">{_DIGEST}sdHHHHBBBBB")
_NAME: Final = struct.Struct(f">{KEY}sII")
_UNIT: Final = 32.0
_CAP: Final = 0xFFFF


@dataclass(slots=True)
class Followed:
    """A key that is followed: its last sighting, the run it is in, the sum of the surprise of each kind in 32nds, and
    of how many sightings; an hour counts once. ``lot`` is 1 where it was drawn."""

    last: float
    run: int = 1
    late: int = 0
    hours: int = 0
    place: int = 0
    seen: int = 0
    timed: int = 0
    hourly: int = 0
    placed: int = 0
    lot: int = 0

    def see(self, sighting: Sighting, usual: Usual) -> None:
        """Take a sighting that is newer than the last."""
        paused = sighting.at - self.last > PAUSE
        if paused and self.lot:
            usual.learn_run(self.run)
        self.run = 1 if paused else min(self.run + 1, _CAP)
        before, self.last, self.seen = self.last, sighting.at, min(self.seen + 1, 0xFF)
        if (late := usual.late(sighting)) is not None:
            self.late, self.timed = _added(self.late, self.timed, late)
        if before // _HOUR != sighting.at // _HOUR:  # the renewals of an hour are one
            self.hours, self.hourly = _added(self.hours, self.hourly, usual.hour(sighting))
        if (place := usual.place(sighting)) is not None:
            self.place, self.placed = _added(self.place, self.placed, place)

    def evidence(self, usual: Usual) -> float:
        """That no phone does this, in nats: -ln of the chance."""
        if self.seen < LEAST:
            return 0.0
        kinds = [
            _evidence(self.late, self.timed, WORTH["late"]),
            _evidence(self.hours, self.hourly, WORTH["hour"]),
            _evidence(self.place, self.placed, WORTH["place"]),
            min(MOST, usual.run(self.run)),
        ]
        return -math.log(max(erlang_tail(len(kinds), math.fsum(kinds)), 1e-300))


def _added(total: int, number: int, surprise: float) -> tuple[int, int]:
    """The total and number with one more; both are halved before they overflow, so the mean stays."""
    if number >= 0xFF or total >= _CAP // 2:
        total, number = total // 2, max(1, number // 2)
    return total + round(surprise * _UNIT), number + 1


def _evidence(total: int, number: int, worth: int) -> float:
    if not number:
        return 0.0
    worth = min(worth, number)
    return min(MOST, -math.log(max(erlang_tail(worth, worth * total / _UNIT / number), 1e-300)))


class AttestationBroker:
    """See the module."""

    name = "attestation-broker"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        if not sighting.proved or sighting.outcome != "accepted" or sighting.source not in ("enrol", "renew"):
            return ()
        return (f"{sighting.platform}/{shard_of(sighting.key_id, _SHARDS)}",)

    def is_hired(self, key: bytes, evidence: float) -> bool:
        """Whether so much evidence names a key."""
        del key
        return evidence >= LIMIT

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        usual, followed, named = _read(state)
        for sighting in sightings:
            raw = key_bytes(sighting.key_id)
            if raw is None:
                continue
            if raw in named:
                since, last = named[raw]
                named[raw] = since, int(sighting.at) if sighting.at - last > _HOUR else last
                continue
            digest = digest_of(f"{sighting.request_key} {sighting.key_id}", _DIGEST)
            key = followed.get(digest)
            if key is None or sighting.at - key.last > PAUSE:
                usual.learn(sighting)  # of a run that is followed the first alone, or the hired ones are what is usual
            if key is None:
                _begin(followed, digest, sighting, usual)
            elif sighting.at > key.last:
                key.see(sighting, usual)
                if self.is_hired(raw, key.evidence(usual)):
                    named[raw] = int(sighting.at), int(sighting.at)
                    del followed[digest]
        if len(followed) > _FOLLOWED:
            _forget(followed, usual, now)
        for raw in sorted(named, key=lambda each: named[each][1])[: max(0, len(named) - _NAMED)]:
            del named[raw]
        return Folded(_packed(usual, followed, named), _finding(slot, named, sightings), now + KEPT)


def _begin(followed: dict[bytes, Followed], digest: bytes, sighting: Sighting, usual: Usual) -> None:
    lots = [each for each, key in followed.items() if key.lot]
    if len(lots) < _BY_LOT or digest < max(lots):
        if len(lots) >= _BY_LOT:
            followed[max(lots)].lot = 0
        followed[digest] = Followed(sighting.at, lot=1)
    elif max(usual.late(sighting) or 0.0, usual.hour(sighting), usual.place(sighting) or 0.0) >= BEGINS:
        followed[digest] = Followed(sighting.at)


def _forget(followed: dict[bytes, Followed], usual: Usual, now: float) -> None:
    """Keep those that were drawn by lot, and of the others those with the most evidence; of equal ones those that came
    first, so that many that come at once do not push each other out. An hour without a sighting costs a nat."""

    def worth(item: tuple[bytes, Followed]) -> tuple[bool, float, float]:
        key = item[1]
        idle = (now - key.last) / _HOUR
        known = key.evidence(usual) + min(key.seen, LEAST) / LEAST
        return idle < _FORGOTTEN and key.lot > 0, known - max(0.0, idle - 0.25), -key.last

    for digest, _ in sorted(followed.items(), key=worth)[: len(followed) - _FOLLOWED]:
        del followed[digest]


def _read(state: bytes | None) -> tuple[Usual, dict[bytes, Followed], dict[bytes, tuple[int, int]]]:
    if state is None:
        return Usual(None), {}, {}
    many, _ = _HEAD.unpack_from(state)
    place = _HEAD.size + SIZE
    end = place + many * _ENTRY.size
    followed = {digest: Followed(*members) for digest, *members in _ENTRY.iter_unpack(state[place:end])}
    named = {raw: (since, last) for raw, since, last in _NAME.iter_unpack(state[end:])}
    return Usual(state[_HEAD.size : place]), followed, named


def _packed(usual: Usual, followed: dict[bytes, Followed], named: dict[bytes, tuple[int, int]]) -> bytes:
    entries = (
        _ENTRY.pack(
            digest,
            key.last,
            key.run,
            key.late,
            key.hours,
            key.place,
            key.seen,
            key.timed,
            key.hourly,
            key.placed,
            key.lot,
        )
        for digest, key in sorted(followed.items())
    )
    names = (_NAME.pack(raw, *times) for raw, times in sorted(named.items()))
    return b"".join((_HEAD.pack(len(followed), len(named)), usual.packed(), *entries, *names))


def _finding(slot: str, named: dict[bytes, tuple[int, int]], sightings: Sequence[Sighting]) -> Finding | None:
    if not named:
        return None
    app, platform = sightings[-1].app, slot.partition("/")[0]
    return Finding(
        detector=AttestationBroker.name,
        subject=slot,
        app=app,
        since=min(since for since, _ in named.values()),
        last=max(last for _, last in named.values()),
        title=f"Used as keys for hire are: {len(named)} of {platform}.",
        counts={"keys": len(named)},
        keys=tuple(key_text(raw) for raw in sorted(named)),
        named={"platform": platform},
        confidence=0.8,
        because=(
            f"Delay, hours, places and pauses of each together are what {FALSE_KEYS:.2%} of keys show by chance.",
        ),
        scope="key",
        remedy=drafted_rule(
            AttestationBroker.name,
            app,
            'Not proof: replay the rule first, and let it warn (action == Action::"affirm") before it refuses.',
        ),
        quiet_after=_QUIET,
    )
