"""Key farm: one device behind many installs, or one app instance behind many attested keys.

Two kinds of slot. ``issuer/…``: a remotely provisioned (RKP) certificate, which Google gives to one device, its app
and a rotation; keys that enrol under it. ``request-key/…``: an app instance's request key; keys that enrol or renew
with it. A key counts at its enrolment, so what is not seen are keys that enrolled far apart, and then share one.

What honest phones do: a work profile, a second user, a private space and a copy of the app make up to four installs of
one phone, so four keys say nothing, however fast. A phone whose app is installed again enrols a new key each time, most
often under the same certificate. The most restless are test phones: ten enrolments on a working day of nine hours.
So the question is whether k ≥ 5 keys came closer together than such a phone's would by chance: a scan statistic for
each k, whose windows follow from :data:`FALSE_ALARMS`. A farm that enrols as slowly as a test phone is not told from it
until it has made more keys: 20 within five hours, 60 within 21.

False alarms: at most :data:`FALSE_ALARMS` for a phone that lives as a test phone all month. For a phone that is
reinstalled every day the same windows give 1e-7 a month, for others less.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import cache
from operator import sub
from typing import Final

from service.detection.detector import Folded
from service.detection.finding import Finding
from service.detection.population.marks import MARKS, read_marks, with_marks
from service.detection.population.packing import DAY, KEPT, KEY, Distinct, key_bytes, key_text
from service.detection.population.remedies import drafted_rule
from service.detection.population.tails import scan_window
from service.detection.sighting import Sighting

LEAST: Final = 5
"""Keys: one more than the installs that a phone's owner can have at once."""
FALSE_ALARMS: Final = 0.25
"""Expected, for a test phone and month: one a month where an owner has four test phones."""
_PACE: Final = 10 / (9 * 3600)
"""Enrolments a second of a test phone at work, "a tester ten times" a day (ADR 34)."""
_POINTS: Final = 220.0
"""Its enrolments in a month of 22 working days."""
_FIRST: Final = 6 / math.pi**2
"""Share of the budget for the smallest number; the n-th has an n²-th of that, so that all together spend it."""

_KEPT_KEYS: Final = 90
_BITMAP: Final = 384
_ENTRY: Final = struct.Struct(f">{KEY}sd")
_WITH_MARKS, _WITH_MORE = 1, 2
_QUIET: Final = float(DAY)
_KINDS: Final = {"issuer": "one device's certificate", "request-key": "one app instance's request key"}


class KeyFarm:
    """See the module. A slot holds the 90 newest keys, each with the time of its enrolment, and how many there were."""

    name: Final = "key-farm"
    version: Final = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        if not sighting.proved or sighting.source not in ("enrol", "renew"):
            return ()
        if sighting.outcome != "accepted" and sighting.why != "device-enrolments":
            return ()  # an app that is refused makes a new key for each attempt
        slots = [f"request-key/{sighting.request_key}"] if sighting.request_key else []
        if sighting.issuer_kind == "rkp" and sighting.source == "enrol":
            slots += [f"issuer/{name}" for name in (sighting.issuer, sighting.earlier_issuer) if name]
        return slots

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        keys, more, marks = _read(state)
        for sighting in sightings:
            raw = key_bytes(sighting.key_id)
            if raw is None:
                continue
            came = _came(sighting)
            if came < keys.get(raw, math.inf) - 1:  # a renewal knows the enrolment's time in whole seconds
                keys[raw] = came
            if more is not None:
                more.add(sighting.key_id)
            if slot.startswith("issuer/"):
                marks = with_marks(marks, sighting.issuer_mark)
        newest = sorted(((at, raw) for raw, at in keys.items() if at > now - KEPT), reverse=True)
        if len(newest) > _KEPT_KEYS and more is None:
            more = Distinct(bytes(_BITMAP))
            more.add_all(key_text(raw) for _, raw in newest)
        del newest[_KEPT_KEYS:]
        finding = _finding(slot, newest, more, read_marks(marks), sightings)
        return Folded(_packed(newest, more, marks), finding, now + KEPT)


@cache
def window(count: int) -> float:
    """The time in seconds in which ``count`` keys are a farm."""
    chance = FALSE_ALARMS * _FIRST / (count - LEAST + 1) ** 2
    return scan_window(count, points=_POINTS, rate=_PACE, chance=chance)


def _came(sighting: Sighting) -> float:
    """When the key came: at its enrolment, also where a renewal is the first that this slot sees of it. A slot begins
    with its epoch, and an old key that renews then must not seem to come with those that enrol at that moment."""
    if sighting.enrolled_hours is None:
        return sighting.at
    return float(math.floor(sighting.at - round(sighting.enrolled_hours * 3_600)))


def _read(state: bytes | None) -> tuple[dict[bytes, float], Distinct | None, bytes]:
    if state is None:
        return {}, None, bytes(MARKS)
    place, more, marks = 1, None, bytes(MARKS)
    if state[0] & _WITH_MARKS:
        marks, place = state[place : place + MARKS], place + MARKS
    if state[0] & _WITH_MORE:
        more, place = Distinct(state[place : place + _BITMAP]), place + _BITMAP
    return dict(_ENTRY.iter_unpack(state[place:])), more, marks


def _packed(newest: list[tuple[float, bytes]], more: Distinct | None, marks: bytes) -> bytes | None:
    """Most slots have one key, and no more than that costs."""
    if not newest:
        return None
    flags = _WITH_MARKS * any(marks) | _WITH_MORE * (more is not None)
    parts = [bytes((flags,)), marks if any(marks) else b"", b"" if more is None else bytes(more.bits)]
    return b"".join((*parts, *(_ENTRY.pack(raw, at) for at, raw in newest)))


def _finding(
    slot: str,
    newest: list[tuple[float, bytes]],
    more: Distinct | None,
    marks: tuple[str, ...],
    sightings: Sequence[Sighting],
) -> Finding | None:
    times = [at for at, _ in reversed(newest)]
    closest = {count: min(map(sub, times[count - 1 :], times)) for count in range(LEAST, len(times) + 1)}
    close = [(count, seconds) for count, seconds in closest.items() if seconds <= window(count)]
    if not close:
        return None
    kind, _, name = slot.partition("/")
    together = newest if kind == "issuer" else _together(newest)
    if kind == "issuer":
        name = sightings[-1].issuer  # both slots of a certificate, under this epoch's name and the last one's, are one
    count, seconds = max(close)
    total = len(newest) if more is None else max(len(newest), more.count())
    app = sightings[-1].app
    return Finding(
        detector=KeyFarm.name,
        subject=f"{kind}/{name}",
        app=app,
        since=times[0],
        last=times[-1],
        title=f"{total} keys are behind {_KINDS[kind]}.",
        counts={"keys": total},
        keys=tuple(key_text(raw) for _, raw in together),
        issuers=marks,
        named={kind: name, "platform": sightings[-1].platform, "model": sightings[-1].model},
        confidence=0.99 if count > LEAST + 1 else 0.9,
        because=(
            f"{count} keys came within {_minutes(seconds)}; of a phone under test, {count} within "
            f"{_minutes(window(count))} are expected less often than once in {round(1 / FALSE_ALARMS)} months.",
        ),
        scope="key",
        remedy=drafted_rule(
            KeyFarm.name,
            app,
            "Refuse the keys that this incident names, after a replay. One of your test phones? Close the incident.",
        ),
        quiet_after=_QUIET,
    )


def _together(newest: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """The keys that came too close together. Hardware proves a certificate; a request key is what its caller says, so
    an attacker could enrol five keys with a victim's, and the victim's own key enrolled long before."""
    found = {
        index
        for count in range(LEAST, len(newest) + 1)
        for first in range(len(newest) - count + 1)
        if newest[first][0] - newest[first + count - 1][0] <= window(count)
        for index in range(first, first + count)
    }
    return [newest[index] for index in sorted(found)]


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
