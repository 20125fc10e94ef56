"""Only what was accepted, and signed by the key, names it as copied."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from service.detection.finding import Finding
from service.detection.population.clone_storm import CloneStorm
from service.detection.sighting import Sighting

from tests.unit.detection.population.made_up import folded, in_pieces, name_of, sighting

CLONES = CloneStorm()


def renewal(after: float, instance: str = "a", *, key: int = 1, back: bool = False) -> Sighting:
    outcome, why = ("refused", "counter-not-greater") if back else ("accepted", "")
    return sighting(
        key, after, source="renew", platform="ios", outcome=outcome, why=why, counter=5, request_key=instance
    )


def found(sightings: Sequence[Sighting]) -> Finding | None:
    (slot,) = CLONES.slots_of(sightings[0])
    return folded(CLONES, slot, sightings)[1]


def test_instances_that_alternate_are_copies() -> None:
    finding = found([renewal(0, back=True), *(renewal(10 + n * 60, "ab"[n % 2]) for n in range(4))])

    assert finding is not None
    assert finding.keys == (name_of("key", 1),)
    assert finding.scope == "key"


def test_nothing_is_watched_before_a_counter_goes_back() -> None:
    assert folded(CLONES, "keys/0", [renewal(n * 60, "ab"[n % 2]) for n in range(10)]) == (None, None)


def test_a_phone_that_changes_its_request_key_once_is_none() -> None:
    assert found([renewal(0, back=True), *(renewal(10 + n, "a" if n < 5 else "b") for n in range(10))]) is None


def test_requests_sent_again_name_no_key() -> None:
    """A stranger sends what a phone signed, before and after a change of its request key, as often as it likes."""
    honest = [renewal(n * 240, "a" if n < 3 else "b") for n in range(8)]
    sent_again = [renewal(n * 10 + 5, "ab"[n % 2], back=True) for n in range(180)]

    assert found(sorted(honest + sent_again, key=lambda one: one.at)) is None


@pytest.mark.parametrize(
    "members",
    [
        {"proved": False, "key_id": ""},
        {"outcome": "refused", "why": "challenge-spent"},
        {"outcome": "refused", "why": "signature-invalid"},
        {"counter": None},
        {"source": "enrol"},
    ],
)
def test_what_does_not_count(members: dict[str, object]) -> None:
    given = {"source": "renew", "counter": 5, "request_key": "a", **members}

    assert not CLONES.slots_of(sighting(1, 0, **given))


@pytest.mark.parametrize("seed", range(5))
def test_pieces_and_repetition_change_nothing(seed: int) -> None:
    chance = random.Random(seed)
    slot = CLONES.slots_of(renewal(0))[0]
    sightings = [
        renewal(n * 20.0, chance.choice("ab"), key=chance.randrange(4), back=chance.random() < 0.2) for n in range(200)
    ]

    assert in_pieces(CLONES, slot, sightings, seed) == folded(CLONES, slot, sightings)


def test_late_lines_make_no_return() -> None:
    """Two deliveries of one change of the request key, the later one first."""
    slot = CLONES.slots_of(renewal(0))[0]
    state, _ = folded(CLONES, slot, [renewal(0, back=True), renewal(10, "a"), renewal(30, "b"), renewal(50, "b")])

    for _ in range(3):
        state, finding = folded(CLONES, slot, [renewal(20, "a"), renewal(25, "a"), renewal(60, "b")], state)

    assert finding is None


def test_an_army_leaves_what_is_known_in_place() -> None:
    clones = [renewal(0, back=True), *(renewal(10 + n * 60, "ab"[n % 2]) for n in range(4))]
    flood = [renewal(400 + n, key=100 + n, back=True) for n in range(500)]
    state, _ = folded(CLONES, "keys/0", clones)

    _, finding = folded(CLONES, "keys/0", flood, state)

    assert finding is not None
    assert finding.keys == (name_of("key", 1),)
