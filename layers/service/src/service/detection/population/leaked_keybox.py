"""Leaked keybox: a factory batch whose share of an app's enrolments leaves its usual range.

Tens of thousands of phones share a factory certificate, so its count says nothing. One slot for each app learns what
share of the enrolments under factory certificates each batch has. In windows of six hours it keeps a fair sample of the
keys that enrolled: the 128 with the smallest digests, all of them where there are fewer. Adding a key again, or later,
changes nothing. A request key's pseudonym is part of the digest, so an attacker cannot choose keys that are not drawn.

Of x keys in a sample of n, the likelihood ratio of "this batch has 2, 4, 8, 16 or 32 times its usual share" (an equal
mixture) to "no more than usual" is at no time of a window expected above 1, so it reaches e^h with no more than e^-h
(Ville 1939). The sum of its logarithm over windows, never below zero, is the evidence (CUSUM; Page 1954): a slow leak
is found as well. h follows from :data:`FALSE_ALARMS` and the number of batches and windows. "Usual" is half as much
again as the learned share, at least 1 %, and 5 % for a batch of less than a fortnight: a new phone begins to sell. And
there must be more keys than the ten that one test phone enrols on a day.

False alarms: :data:`FALSE_ALARMS` a month and app where shares stay in that range. What they are then: an offer of a
shop that sells one model. Leaks below 1 % of enrolments are not seen, nor any before :data:`_LEARNED` enrolments.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding
from service.detection.population.marks import MARKS, read_marks, with_marks
from service.detection.population.packing import DAY, KEPT, KEY, digest_of, key_bytes, key_text
from service.detection.population.remedies import drafted_rule
from service.detection.sighting import Sighting

WINDOW: Final = 6 * 3_600
FALSE_ALARMS: Final = 0.1
LEAST: Final = 11
_BATCHES: Final = 50
_SAMPLE: Final = 128
_KEYS: Final = 20
_LEARNED: Final = 10.0
_MEMORY: Final = 28.0
"""Windows that a share remembers: a week's."""
_YOUNG: Final = 14 * DAY
_RATIOS: Final = (2.0, 4.0, 8.0, 16.0, 32.0)
LIMIT: Final = math.log(_BATCHES * (30 * DAY / WINDOW) / FALSE_ALARMS)
_QUIET: Final = float(DAY)
_NAME: Final = 12
_HASH: Final = 7
_HEAD: Final = struct.Struct(f">IfBBB{MARKS}s")
_BATCH: Final = struct.Struct(f">{_NAME}sIffdd")
_DRAWN: Final = struct.Struct(f">{_HASH}sB")


@dataclass(slots=True)
class _Batch:
    """``count`` is what is remembered of its enrolments, ``carried`` the evidence of windows before; ``since`` and
    ``last`` are of the present incident, 0 where there is none."""

    first: int
    count: float = 0.0
    carried: float = 0.0
    since: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class _Slot:
    """``total`` is what is remembered of all enrolments; ``sample`` has the batch of each drawn key, ``keys`` some of
    the keys of batches that are out of their range."""

    window: int = 0
    total: float = 0.0
    marks: bytes = bytes(MARKS)
    batches: dict[bytes, _Batch] = field(default_factory=dict)
    sample: dict[bytes, bytes] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)

    def usual(self, batch: _Batch) -> float:
        """The largest share that is still usual."""
        floor = 0.05 if self.window * WINDOW - batch.first < _YOUNG else 0.01
        return min(0.5, max(floor, 1.5 * (batch.count + 1) / (self.total + 20)))

    def evidence(self, name: bytes, count: int) -> float:
        """That the batch is out of its range, in nats."""
        batch, drawn = self.batches[name], len(self.sample)
        usual = self.usual(batch)
        logs = [
            count * math.log(share / usual) + (drawn - count) * math.log((1 - share) / (1 - usual))
            for share in (min(0.95, ratio * usual) for ratio in _RATIOS)
        ]
        most = max(logs)
        return batch.carried + most + math.log(math.fsum(math.exp(log - most) for log in logs) / len(logs))

    def turn(self, window: int) -> None:
        """Learn the window that ended, and begin another."""
        counts, kept = Counter(self.sample.values()), (1 - 1 / _MEMORY) ** min(window - self.window, 4 * _MEMORY)
        drawn, before = len(self.sample), self.total
        self.total *= kept
        for name, batch in self.batches.items():
            evidence = self.evidence(name, counts[name]) if before >= _LEARNED and drawn else batch.carried
            batch.carried = min(max(0.0, evidence), LIMIT / 2 if batch.since else LIMIT)
            seen = float(counts[name])
            if batch.since:  # no more than its share beside what the others had
                seen = min(seen, batch.count / max(before - batch.count, 1.0) * (drawn - counts[name]))
            batch.count = batch.count * kept + seen
            self.total += seen
            if window * WINDOW - batch.last > _QUIET:
                batch.since = batch.last = 0.0
        self.window, self.sample = window, {}
        if not any(batch.since for batch in self.batches.values()):
            self.keys = []


class LeakedKeybox:
    """See the module."""

    name: Final = "leaked-keybox"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        enrolled = sighting.proved and sighting.source == "enrol" and sighting.outcome == "accepted"
        return ("factory",) if enrolled and sighting.issuer_kind == "factory" and sighting.issuer else ()

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        del slot
        held = _read(state)
        for sighting in sightings:
            window, raw = int(sighting.at // WINDOW), key_bytes(sighting.key_id)
            if raw is None or window < held.window:
                continue  # a window that ended stays as it was learned
            if window > held.window:
                held.turn(window)
            drawn = digest_of(f"{sighting.request_key} {sighting.key_id}", _HASH)
            if drawn in held.sample or (len(held.sample) >= _SAMPLE and drawn > max(held.sample)):
                continue
            name = _known(held, sighting)
            held.sample[drawn] = name
            if len(held.sample) > _SAMPLE:
                del held.sample[max(held.sample)]
            batch, count = held.batches[name], sum(1 for each in held.sample.values() if each == name)
            enough = held.total >= _LEARNED and (batch.since or count >= LEAST)
            if enough and held.evidence(name, count) >= LIMIT:
                batch.since, batch.last = batch.since or window * WINDOW, max(batch.last, sighting.at)
                held.marks = with_marks(held.marks, sighting.issuer_mark)
                if raw not in held.keys:
                    held.keys = sorted([*held.keys, raw])[:_KEYS]
        return Folded(_packed(held), _finding(held, sightings), now + KEPT)


def _known(held: _Slot, sighting: Sighting) -> bytes:
    """The batch's name here, under which it stays known when the pseudonym changes with the epoch."""
    name, earlier = (digest_of(each, _NAME) for each in (sighting.issuer, sighting.earlier_issuer or sighting.issuer))
    if name not in held.batches and earlier in held.batches:
        held.batches[name] = held.batches.pop(earlier)
        held.sample = {drawn: name if batch == earlier else batch for drawn, batch in held.sample.items()}
    if name not in held.batches:
        if len(held.batches) >= _BATCHES:
            rarest = min(held.batches, key=lambda each: (held.batches[each].since > 0, held.batches[each].count, each))
            held.total = max(0.0, held.total - held.batches.pop(rarest).count)
            held.sample = {drawn: batch for drawn, batch in held.sample.items() if batch != rarest}
        held.batches[name] = _Batch(int(sighting.at))
    return name


def _read(state: bytes | None) -> _Slot:
    if state is None:
        return _Slot()
    window, total, batches, drawn, keys, marks = _HEAD.unpack_from(state)
    held, place, names = _Slot(window, total, marks), _HEAD.size, []
    for name, *batch in _BATCH.iter_unpack(state[place : place + batches * _BATCH.size]):
        names.append(name)
        held.batches[name] = _Batch(*batch)
    place += batches * _BATCH.size
    for digest, index in _DRAWN.iter_unpack(state[place : place + drawn * _DRAWN.size]):
        held.sample[digest] = names[index]
    place += drawn * _DRAWN.size
    held.keys = [state[at : at + KEY] for at in range(place, place + keys * KEY, KEY)]
    return held


def _packed(held: _Slot) -> bytes:
    names = {name: index for index, name in enumerate(sorted(held.batches))}
    head = _HEAD.pack(held.window, held.total, len(names), len(held.sample), len(held.keys), held.marks)
    batches = (
        _BATCH.pack(name, each.first, each.count, each.carried, each.since, each.last)
        for name in names
        for each in (held.batches[name],)
    )
    drawn = (_DRAWN.pack(digest, names[held.sample[digest]]) for digest in sorted(held.sample))
    return b"".join((head, *batches, *drawn, *held.keys))


def _finding(held: _Slot, sightings: Sequence[Sighting]) -> Finding | None:
    out = {name: batch for name, batch in held.batches.items() if batch.since}
    if not out:
        return None
    app, drawn = sightings[-1].app, len(held.sample)
    count = sum(1 for name in held.sample.values() if name in out)
    usual = sum(held.batches[name].count for name in out) / max(held.total, 1.0)
    return Finding(
        detector=LeakedKeybox.name,
        subject="factory",
        app=app,
        since=min(batch.since for batch in out.values()),
        last=max(max(batch.last, batch.since) for batch in out.values()),
        title="A factory certificate attests far more enrolments than usual.",
        counts={"batches": len(out), "keys": count, "of": drawn},
        keys=tuple(map(key_text, held.keys)),
        issuers=read_marks(held.marks),
        confidence=0.9,
        because=(
            f"{count} of the last {drawn} factory enrolments are under {len(out)} certificate(s) that usually have "
            f"{100 * usual:.1f} % of them.",
        ),
        scope="batch",
        remedy=drafted_rule(
            LeakedKeybox.name,
            app,
            "Honest phones share this certificate: a rule can only warn. Look for it in the vendor's revocation list.",
            warns=True,
        ),
        quiet_after=_QUIET,
    )
