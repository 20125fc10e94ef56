"""Shows sightings to detectors: one read of all slots that they belong to, and a conditional write of each that
changed.

A detector that fails stops no other: it is told to ``failed`` by name. What the table cannot do now is told to the
caller, once everything else is done: the same sightings again change nothing that is done already.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.detection.detector import (
    MAX_SLOT_OCTETS,
    MAX_SLOTS,
    MAX_STATE,
    MAX_TALLY_STATE,
    Folded,
    PopulationDetector,
    TallyDetector,
)
from service.detection.finding import Finding
from service.detection.rates.window import TallyWindow
from service.detection.sighting import Sighting
from service.detection.slots import Held, Slot, Slots
from service.errors import Unavailable

ATTEMPTS: Final = 12
"""How often a slot is read and folded again because another writer came between."""
TALLIES_SLOT: Final = "tallies"
"""The slot of a detector over tallies, one for each app."""
_KEPT: Final = 40 * 86_400
_WAIT: Final = 0.01
_CHANCE: Final = random.SystemRandom()

Failed = Callable[[str, Exception], None]
"""Is told that the detector of this name raised this: once in a run, of however many failures."""
_Noted = Callable[[str, Exception], object]


@dataclass(slots=True)
class Shown:
    """What came of showing. ``findings`` are those of all slots; ``unavailable`` is why something is not done yet."""

    findings: list[Finding] = field(default_factory=list)
    unavailable: list[Unavailable] = field(default_factory=list)


def show(
    sightings: Iterable[Sighting],
    detectors: Sequence[PopulationDetector],
    slots: Slots,
    *,
    now: float,
    failed: Failed,
    sleep: Callable[[float], None] = time.sleep,
) -> Shown:
    """Show sightings to all detectors, and say what they found."""
    failures: dict[str, Exception] = {}
    shown = _shown(sightings, detectors, slots, now, failures.setdefault, sleep)
    for name, error in failures.items():
        failed(name, error)
    return shown


def _shown(
    sightings: Iterable[Sighting],
    detectors: Sequence[PopulationDetector],
    slots: Slots,
    now: float,
    failed: _Noted,
    sleep: Callable[[float], None],
) -> Shown:
    shown = Shown()
    grouped = _grouped(sightings, detectors, failed)
    if not grouped:
        return shown
    by_name = {detector.name: detector for detector in detectors}
    try:
        held = slots.read(list(grouped), now)
    except Unavailable as error:
        shown.unavailable.append(error)
        return shown
    for slot, those in grouped.items():
        those.sort(key=_in_order)
        try:
            finding = _fold(by_name[slot.detector], slot, held[slot], those, slots, now, failed, sleep)
        except Unavailable as error:  # one slot that is hot or damaged keeps no other from being folded
            shown.unavailable.append(error)
            continue
        if finding is not None:
            shown.findings.append(finding)
    return shown


def look(
    windows: Mapping[str, TallyWindow], detectors: Sequence[TallyDetector], slots: Slots, *, now: float, failed: Failed
) -> Shown:
    """Show each app's tallies to all detectors over tallies. A state that another writer overtook is not written: a
    minute that is looked at twice, or left out, does no harm."""
    shown = Shown()
    by_slot = {Slot(app, each.name, each.version, TALLIES_SLOT): each for app in windows for each in detectors}
    if not by_slot:
        return shown
    try:
        held = slots.read(list(by_slot), now)
    except Unavailable as error:
        shown.unavailable.append(error)
        return shown
    for slot, detector in by_slot.items():
        before = held[slot]
        try:
            state, findings = detector.look(windows[slot.app], before.state, now)
            _check(state, MAX_TALLY_STATE)
        except Exception as error:  # of whatever kind: the other detectors look all the same
            failed(slot.detector, error)
            continue
        shown.findings += findings
        if state != before.state:
            try:
                slots.write(slot, state, before, now + _KEPT, now)
            except Unavailable as error:
                shown.unavailable.append(error)
    return shown


def _grouped(
    sightings: Iterable[Sighting], detectors: Sequence[PopulationDetector], failed: _Noted
) -> dict[Slot, list[Sighting]]:
    grouped: dict[Slot, list[Sighting]] = {}
    for sighting in sightings:
        for detector in detectors:
            try:
                names = detector.slots_of(sighting)
                if names:
                    _check_names(names)
            except Exception as error:
                failed(detector.name, error)
                continue
            for name in names:
                grouped.setdefault(Slot(sighting.app, detector.name, detector.version, name), []).append(sighting)
    return grouped


def _fold(
    detector: PopulationDetector,
    slot: Slot,
    held: Held,
    sightings: Sequence[Sighting],
    slots: Slots,
    now: float,
    failed: _Noted,
    sleep: Callable[[float], None],
) -> Finding | None:
    for attempt in range(ATTEMPTS):
        folded = _folded(detector, slot, held.state, sightings, now, failed)
        if folded is None:
            return None
        if folded.state == held.state or slots.write(slot, folded.state, held, folded.keep_until, now):
            return folded.finding
        sleep(_CHANCE.uniform(0, _WAIT * 2 ** min(attempt, 5)))  # full jitter: who met shall not meet again
        held = slots.read([slot], now, newest=True)[slot]
    raise Unavailable("dynamodb:PutItem detector_state: too many writers of one slot")


def _folded(
    detector: PopulationDetector,
    slot: Slot,
    state: bytes | None,
    sightings: Sequence[Sighting],
    now: float,
    failed: _Noted,
) -> Folded | None:
    """The slot after all sightings that the detector can fold: one that it cannot keeps it from no other."""
    try:
        folded = detector.fold(slot.name, state, sightings, now)
        _check(folded.state, MAX_STATE)
        return folded
    except Exception as error:
        if len(sightings) == 1:
            failed(detector.name, error)
            return None
    last: Folded | None = None
    for sighting in sightings:
        one = _folded(detector, slot, state if last is None else last.state, [sighting], now, failed)
        last = last if one is None else one
    return last


def _in_order(sighting: Sighting) -> tuple[float, str]:
    return sighting.at, sighting.id


def _check(state: bytes | None, most: int) -> None:
    if state is not None and len(state) > most:
        raise ValueError(f"a state of {len(state)} bytes, more than {most}")


def _check_names(names: Sequence[str]) -> None:
    if len(names) > MAX_SLOTS or any(len(name.encode()) > MAX_SLOT_OCTETS for name in names):
        raise ValueError("too many slots, or a name that is too long")
