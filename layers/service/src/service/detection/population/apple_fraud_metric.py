"""Apple fraud metric: devices on which more keys of the app were attested than any honest one should have.

One slot for each app. It learns what the metric usually is: of one key in sixteen, once a day, a histogram with the
memory of a month. Its tail, continued geometrically, says from which value on less than :data:`EXPECTED` keys of an app
of this size have it by themselves. A key is *odd* whose metric reached that and jumped: by at least half of the bound
since it was first seen. Keys that had a high metric while the app was still being learned are known, and odd only when
it grows on: they are test phones, and phones of shops. Three odd keys within a week make a finding. One would not: a
person who reinstalls has one key that is still in use, a farm has many.

False alarms: :data:`EXPECTED` odd keys a month where the tail is no heavier than geometric, of which it takes three;
``tests/unit/detection`` counts them. What they are then: a laboratory of test phones that begins its work.

Not seen: devices below the bound, and all of them in the first week of an app.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding
from service.detection.population.packing import DAY, KEPT, KEY, Distinct, digest_of, key_bytes, key_text
from service.detection.population.remedies import drafted_rule
from service.detection.sighting import Sighting

EXPECTED: Final = 0.1
"""Keys a month that may reach the bound by themselves."""
FLOOR: Final = 4
"""No metric below it is ever odd: a person reinstalls twice."""
ODD_KEYS: Final = 3
LEARNING: Final = 7 * DAY
LEAST: Final = 60.0
"""Samples without which nothing is usual."""
_SAMPLE: Final = 16
_BINS: Final = 24
_KEEP: Final = 1 - 1 / 30
_BITMAP: Final = 512
_MOST: Final = 56
_WEEK: Final = 7.0 * DAY
_QUIET: Final = 3.0 * DAY
_HEAD: Final = struct.Struct(f">dI{_BINS}f")
_ENTRY: Final = struct.Struct(f">{KEY}sHHddd")


@dataclass(slots=True)
class _Key:
    """``earlier`` is the metric when the key was first seen, 0 for one that came later; ``at`` when it last changed;
    ``seen_at`` when it was last seen, to the week; ``odd_at`` since when it is odd, 0 while it is not."""

    earlier: int
    metric: int
    at: float
    seen_at: float
    odd_at: float = 0.0


@dataclass(slots=True)
class _Slot:
    """``since`` is when learning began; ``bins`` count metrics from 1 on, the last one all that are higher; ``seen``
    are the samples of ``day``."""

    since: float = 0.0
    day: int = 0
    bins: list[float] = field(default_factory=lambda: [0.0] * _BINS)
    seen: Distinct = field(default_factory=lambda: Distinct(bytes(_BITMAP)))
    keys: dict[bytes, _Key] = field(default_factory=dict)

    @classmethod
    def read(cls, state: bytes | None) -> _Slot:
        if state is None:
            return cls()
        since, day, *bins = _HEAD.unpack_from(state)
        end = _HEAD.size + _BITMAP
        entries = (_ENTRY.unpack(each) for each in _pieces(state[end:]))
        keys = {raw: _Key(*rest) for raw, *rest in entries}
        return cls(since, day, bins, Distinct(state[_HEAD.size : end]), keys)

    def to_bytes(self) -> bytes:
        kept = sorted(self.keys.items(), key=lambda one: (one[1].odd_at > 0, one[1].metric, one[1].at), reverse=True)
        entries = (
            _ENTRY.pack(raw, key.earlier, key.metric, key.at, key.seen_at, key.odd_at)
            for raw, key in sorted(kept[:_MOST], key=lambda one: one[0])
        )
        return _HEAD.pack(self.since, self.day, *self.bins) + bytes(self.seen.bits) + b"".join(entries)

    def learn(self, sighting: Sighting, metric: int) -> None:
        """Count a sample, once a day."""
        day = int(sighting.at // DAY)
        if day < self.day:
            return
        if day > self.day:
            past = min(day - self.day, 400) if self.day else 0
            self.bins = [each * _KEEP**past for each in self.bins]
            self.day, self.seen = day, Distinct(bytes(_BITMAP))
        before = bytes(self.seen.bits)
        self.seen.add(sighting.key_id)
        if bytes(self.seen.bits) != before:
            self.bins[min(metric, _BINS) - 1] += 1
        self.since = self.since or sighting.at

    def bound(self, now: float) -> int | None:
        """The metric from which on a key is odd; ``None`` while that is being learned."""
        weight = sum(self.bins)
        if not self.since or now - self.since < LEARNING or weight < LEAST:
            return None
        days = (1 - _KEEP ** ((now - self.since) / DAY + 1)) * 30
        keys = _SAMPLE * weight / days
        twice, thrice = sum(self.bins[1:]), sum(self.bins[2:])
        ratio = min(max((thrice + 1) / (twice + 2), 0.15), 0.8)
        for metric in range(FLOOR, 2_000):
            geometric = (twice + 1) / (weight + 2) * ratio ** (metric - 2)
            counted = sum(self.bins[metric - 1 :]) / weight if metric <= _BINS else 0.0
            if keys * max(geometric, counted) <= EXPECTED:
                return metric
        return None

    def see(self, raw: bytes, metric: int, at: float, bound: int | None) -> None:
        """Follow a key with a high metric."""
        key = self.keys.get(raw)
        if key is None:
            key = self.keys[raw] = _Key(metric if bound is None else 0, metric, at, at)
        elif metric != key.metric and at > key.at:
            key.metric, key.at = metric, at
        if at - key.seen_at >= _WEEK:  # and no oftener: a write for every renewal is too much
            key.seen_at = at
        if bound is not None and not key.odd_at and key.metric >= bound and 2 * (key.metric - key.earlier) >= bound:
            key.odd_at = key.at

    def forget(self, now: float) -> None:
        """Keys that were not seen for a month."""
        self.keys = {raw: key for raw, key in self.keys.items() if now - key.seen_at < KEPT}


class AppleFraudMetric:
    """See the module."""

    name: Final = "apple-fraud-metric"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        """The app's slot, for high metrics and for samples."""
        metric = sighting.risk_metric
        if metric is None or metric < 1 or not sighting.proved or not sighting.key_id:
            return ()
        return ("app",) if metric >= FLOOR or _is_sampled(sighting.key_id) else ()

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        """Learn the samples, then look at the high ones by what was known before them."""
        del slot
        known = _Slot.read(state)
        bound = known.bound(now)
        for sighting in sightings:
            metric, raw = sighting.risk_metric, key_bytes(sighting.key_id)
            if metric is None or raw is None:
                continue
            metric = min(metric, 0xFFFF)
            if _is_sampled(sighting.key_id):
                known.learn(sighting, metric)
            if metric >= FLOOR:
                known.see(raw, metric, sighting.at, bound)
        known.forget(now)
        app = sightings[0].app if sightings else ""
        return Folded(known.to_bytes(), self._finding(known, app, bound, now), now + KEPT)

    def _finding(self, known: _Slot, app: str, bound: int | None, now: float) -> Finding | None:
        odd = {raw: key for raw, key in known.keys.items() if key.odd_at and now - key.odd_at < _WEEK}
        if len(odd) < ODD_KEYS:
            return None
        highest = max(key.metric for key in odd.values())
        times = [key.odd_at for key in odd.values()]
        usual = sum(known.bins[:2]) / max(sum(known.bins), 1.0)
        return Finding(
            detector=self.name,
            subject="metric",
            app=app,
            since=min(times),
            last=max(times),
            title=f"{len(odd)} keys are on devices that attested unusually many keys of this app.",
            counts={"keys": len(odd), "highest_metric": highest, "bound": bound or 0},
            keys=tuple(key_text(raw) for raw in sorted(odd, key=lambda raw: -odd[raw].metric)),
            confidence=min(0.95, 0.5 + 0.05 * len(odd) + (0.2 if bound and highest >= 2 * bound else 0.0)),
            because=(
                f"Apple counts up to {highest} keys of this app on one device within 30 days.",
                f"Of this app's keys, {usual:.1%} are on devices with one or two; from {bound or highest} on, less "
                "than one key is expected.",
                "Each of them jumped to it since it was first seen.",
            ),
            scope="key",
            remedy=drafted_rule(
                self.name, app, "Have these keys warn. Do not refuse them outright: reinstalling and test phones count."
            ),
            quiet_after=_QUIET,
        )


def _is_sampled(key_id: str) -> bool:
    return digest_of(key_id, 1)[0] % _SAMPLE == 0


def _pieces(state: bytes) -> Iterable[bytes]:
    return (state[place : place + _ENTRY.size] for place in range(0, len(state), _ENTRY.size))
