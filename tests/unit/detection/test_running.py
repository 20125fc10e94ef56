"""Detectors are run over slots: in order, once, whoever else writes, and one that fails stops no other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from service.detection.detector import MAX_SLOTS, MAX_STATE, Folded, Looked
from service.detection.finding import Finding, Remedy
from service.detection.rates.window import TallyWindow
from service.detection.sighting import Sighting
from service.detection.slots import Held, InMemorySlots, Slot
from service.errors import Unavailable
from service.incidents.running import ATTEMPTS, look, show

NOW = 10_000.0
SIGHTING = Sighting(
    at=NOW,
    app="demo",
    source="enrol",
    outcome="accepted",
    why="",
    key_id="key",
    proved=True,
    platform="android",
    app_build="1",
    os="16",
    model="m",
    country="",
    issuer="device",
    issuer_kind="rkp",
    id="1",
)
FINDING = Finding(
    detector="farm",
    subject="device",
    app="demo",
    since=NOW,
    last=NOW,
    title="A farm.",
    counts={},
    confidence=1.0,
    because=(),
    scope="key",
    remedy=Remedy(kind="look", text=""),
    quiet_after=60.0,
)


@dataclass
class Farm:
    """Remembers the ids of what it has seen, and finds something from the third on."""

    name: str = "farm"
    version: int = 1
    folds: list[list[str]] = field(default_factory=list)

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        return [sighting.issuer] if sighting.issuer else []

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        self.folds.append([each.id for each in sightings])
        if any(each.why == "poison" for each in sightings):
            raise RuntimeError("cannot fold")
        seen = sorted({*json.loads(state or b"[]"), *(each.id for each in sightings)})
        finding = replace(FINDING, subject=slot, counts={"seen": len(seen)}) if len(seen) >= 3 else None
        return Folded(json.dumps(seen).encode(), finding, now + 3_600)


@dataclass
class Failures:
    seen: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, name: str, error: Exception) -> None:
        self.seen.append((name, str(error)))


def many(count: int, **members: object) -> list[Sighting]:
    return [replace(SIGHTING, id=str(number), **members) for number in range(count)]  # type: ignore[arg-type]


def quiet(_seconds: float) -> None:
    pass


def test_one_read_and_one_write_of_each_slot() -> None:
    slots, farm, failures = InMemorySlots(), Farm(), Failures()

    shown = show([*many(5), replace(SIGHTING, issuer="other", id="9")], [farm], slots, now=NOW, failed=failures)

    assert [finding.counts for finding in shown.findings] == [{"seen": 5}]
    assert (slots.reads, slots.writes) == (2, 2)
    assert farm.folds == [["0", "1", "2", "3", "4"], ["9"]]
    assert not shown.unavailable
    assert not failures.seen


def test_repeated_delivery_writes_nothing_and_finds_the_same() -> None:
    slots, failures = InMemorySlots(), Failures()
    first = show(many(5), [Farm()], slots, now=NOW, failed=failures)
    writes = slots.writes

    again = show(reversed(many(5)), [Farm()], slots, now=NOW + 60, failed=failures)

    assert again.findings == first.findings
    assert slots.writes == writes


def test_what_concerns_no_detector_costs_nothing() -> None:
    slots = InMemorySlots()

    shown = show(many(5, issuer=""), [Farm()], slots, now=NOW, failed=Failures())

    assert (slots.reads, slots.writes, shown.findings) == (0, 0, [])


def test_apps_detectors_and_versions_have_slots_of_their_own() -> None:
    slots = InMemorySlots()
    sightings = [SIGHTING, replace(SIGHTING, app="other")]

    show(sightings, [Farm(), Farm(version=2, name="again")], slots, now=NOW, failed=Failures())

    assert set(slots.rows) == {
        Slot(app, name, version, "device") for app in ("demo", "other") for name, version in (("farm", 1), ("again", 2))
    }


def test_failing_detector_is_told_and_stops_no_other() -> None:
    class Broken(Farm):
        def slots_of(self, sighting: Sighting) -> Sequence[str]:
            raise KeyError(f"broken by {sighting.id}")

    class Greedy(Farm):
        def slots_of(self, sighting: Sighting) -> Sequence[str]:
            return [f"{sighting.id}{number}" for number in range(MAX_SLOTS + 1)]

    class Fat(Farm):
        def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
            return super().fold(slot, state, sightings, now)._replace(state=bytes(MAX_STATE + 1))

    slots, failures = InMemorySlots(), Failures()

    shown = show(many(3), [Broken("broken"), Greedy("greedy"), Fat("fat"), Farm()], slots, now=NOW, failed=failures)

    assert [finding.detector for finding in shown.findings] == ["farm"]
    assert {name for name, _ in failures.seen} == {"broken", "greedy", "fat"}
    assert {slot.detector for slot in slots.rows} == {"farm"}


def test_sighting_that_cannot_be_folded_keeps_no_other_from_it() -> None:
    slots, failures = InMemorySlots(), Failures()
    sightings = [*many(3), replace(SIGHTING, id="bad", why="poison")]

    shown = show(sightings, [Farm()], slots, now=NOW, failed=failures)

    assert [finding.counts for finding in shown.findings] == [{"seen": 3}]
    assert failures.seen == [("farm", "cannot fold")]


def test_overtaken_writer_folds_again() -> None:
    class Racing(InMemorySlots):
        races = 3

        def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
            if self.races:
                self.races -= 1
                held = self.read([slot], NOW)[slot]
                seen = json.dumps([*json.loads(held.state or b"[]"), f"racing{self.races}"]).encode()
                assert InMemorySlots.write(self, slot, seen, held, NOW + 60, NOW)
            return InMemorySlots.write(self, slot, state, before, keep_until, now)

    shown = show(many(2), [Farm()], Racing(), now=NOW, failed=Failures(), sleep=quiet)

    assert [finding.counts for finding in shown.findings] == [{"seen": 5}]


def test_hot_slot_is_unavailable_and_the_others_are_folded() -> None:
    class Hot(InMemorySlots):
        def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
            return slot.name != "hot" and InMemorySlots.write(self, slot, state, before, keep_until, now)

    farm = Farm()
    sightings = [*many(3, issuer="hot"), *many(3)]

    shown = show(sightings, [farm], Hot(), now=NOW, failed=Failures(), sleep=quiet)

    assert [finding.subject for finding in shown.findings] == ["device"]
    assert len(shown.unavailable) == 1
    assert len(farm.folds) == ATTEMPTS + 1


def test_unreadable_table_is_said_and_nothing_is_found() -> None:
    class Down(InMemorySlots):
        def read(self, slots: Sequence[Slot], now: float, *, newest: bool = False) -> Mapping[Slot, Held]:
            raise Unavailable(f"dynamodb:BatchGetItem {len(slots)} {now:.0f} {newest}")

    shown = show(many(3), [Farm()], Down(), now=NOW, failed=Failures())

    assert not shown.findings
    assert [error.what for error in shown.unavailable] == ["dynamodb:BatchGetItem 1 10000 False"]


def test_state_has_its_time() -> None:
    slots = InMemorySlots()
    show(many(3), [Farm()], slots, now=NOW, failed=Failures())

    shown = show([replace(SIGHTING, id="late")], [Farm()], slots, now=NOW + 3_600, failed=Failures())

    assert not shown.findings
    assert [json.loads(state) for state, _, _ in slots.rows.values()] == [["late"]]
    slots.forget(NOW + 7_200)
    assert not slots.rows


@dataclass
class Minutes:
    """Counts how often it looked."""

    name: str = "spike"
    version: int = 1

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        if tallies.app == "broken":
            raise ValueError(f"cannot look at {now:.0f}")
        looked = int(state or b"0") + 1
        return Looked(str(looked).encode(), [replace(FINDING, detector="spike", app=tallies.app, counts={"n": looked})])


def test_tallies_are_looked_at_for_each_app() -> None:
    slots, failures = InMemorySlots(), Failures()
    windows = {app: TallyWindow(app=app, now=NOW) for app in ("demo", "broken", "other")}

    look(windows, [Minutes()], slots, now=NOW, failed=failures)
    shown = look(windows, [Minutes()], slots, now=NOW + 60, failed=failures)

    assert [(finding.app, finding.counts) for finding in shown.findings] == [("demo", {"n": 2}), ("other", {"n": 2})]
    assert failures.seen == [("spike", "cannot look at 10000"), ("spike", "cannot look at 10060")]
