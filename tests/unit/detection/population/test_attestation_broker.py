"""Keys for hire are named by the sum of what is surprising about them, against the app's own phones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from service.detection.finding import Finding
from service.detection.population.attestation_broker import AttestationBroker
from service.detection.population.usual import Usual
from service.detection.sighting import Sighting

from tests.unit.detection.population.made_up import START, folded, name_of, sighting

BROKER = AttestationBroker()
DAY, HOUR = 86_400.0, 3_600.0
MORNING = (START // DAY + 1) * DAY + 7 * HOUR - START


def renewal(key: int, after: float, delay: float = 0.3, **members: Any) -> Sighting:
    given = {
        "source": "renew", "delay": delay, "enrolled_hours": 500.0, "home_country": "DE",
        "request_key": f"request key {key}", "id": f"{key} {after}", **members,
    }  # fmt: skip
    return sighting(key, after, **given)


def ordinary(days: int, keys: int, seed: int = 1) -> list[Sighting]:
    """Sessions of some renewals each, from morning to evening."""
    chance, found = random.Random(seed), []
    for day in range(days):
        for key in range(keys):
            for _ in range(3):
                at = MORNING + day * DAY + chance.random() * 15 * HOUR
                for turn in range(1 + int(chance.expovariate(0.7))):
                    found.append(renewal(key, at, 0.3 * chance.lognormvariate(0, 0.5), handed_along=turn > 0))
                    at += chance.uniform(240, 285)
    return sorted(found, key=lambda each: each.at)


@pytest.fixture(scope="module")
def learned() -> bytes:
    state, finding = folded(BROKER, "android/0", ordinary(4, 200))
    assert finding is None
    assert state is not None
    return state


def hired(
    key: int, hours: float, *, begin: float = 4 * DAY, delay: float = 9.0, **members: object
) -> Iterator[Sighting]:
    at = MORNING + begin
    while at < MORNING + begin + hours * HOUR:
        yield renewal(key, at, delay, **members)
        at += 260


def show(state: bytes | None, sightings: list[Sighting]) -> tuple[bytes | None, Finding | None]:
    """One sighting a delivery, as they come."""
    finding = None
    for each in sightings:
        state, finding = folded(BROKER, "android/0", [each], state)
    return state, finding


def test_evidence_that_is_relayed_all_day_is_named(learned: bytes) -> None:
    _, finding = show(learned, list(hired(9_000, 5)))

    assert finding is not None
    assert finding.keys == (name_of("key", 9_000),)
    assert finding.scope == "key"


def test_a_slow_phone_in_sessions_is_not(learned: bytes) -> None:
    slow = [
        renewal(9_001, MORNING + day * DAY + hour * HOUR + turn * 260, 0.9, handed_along=turn > 0)
        for day in (4, 5, 6, 7)
        for hour in (0, 5, 12)
        for turn in range(3)
    ]

    assert show(learned, slow)[1] is None


def test_a_satellite_link_alone_is_not(learned: bytes) -> None:
    """Every answer is later than any other phone's, in a phone's sessions."""
    slow = [
        renewal(9_004, MORNING + day * DAY + hour * HOUR + turn * 260, 20.0, handed_along=turn > 0)
        for day in (4, 5, 6, 7)
        for hour in (0, 5, 12)
        for turn in range(3)
    ]

    assert show(learned, slow)[1] is None


def test_a_traveller_is_not(learned: bytes) -> None:
    abroad = [
        renewal(9_002, MORNING + 4 * DAY + n * 3 * HOUR, country="BR", enrolled_hours=300.0 + 3 * n) for n in range(60)
    ]

    assert show(learned, abroad)[1] is None


def test_one_late_answer_is_not(learned: bytes) -> None:
    assert show(learned, [renewal(9_003, MORNING + 4 * DAY, 200.0), renewal(9_003, MORNING + 4 * DAY + 60)])[1] is None


def test_nothing_is_said_before_the_population_is_known() -> None:
    assert show(None, list(hired(9_000, 5)))[1] is None


@pytest.mark.parametrize(
    "members", [{"proved": False}, {"outcome": "refused"}, {"outcome": "unavailable"}, {"source": "signal"}]
)
def test_what_does_not_count(members: dict[str, Any]) -> None:
    assert not BROKER.slots_of(renewal(1, 0, **members))


def test_a_delivery_that_comes_again_changes_nothing(learned: bytes) -> None:
    sightings = list(hired(9_000, 2))
    state, finding = folded(BROKER, "android/0", sightings, learned)

    assert folded(BROKER, "android/0", sightings, state) == (state, finding)
    assert folded(BROKER, "android/0", sightings[5:9], state) == (state, finding)


def test_most_ordinary_renewals_write_nothing(learned: bytes) -> None:
    state, written = learned, 0
    more = [renewal(each, MORNING + 4 * DAY + 5 * HOUR + each, handed_along=True) for each in range(20_000, 21_000)]
    for each in more:
        after, _ = folded(BROKER, "android/0", [each], state)
        written += after != state
        state = after or b""

    assert written < 60  # one of 64 teaches


def test_many_hired_keys_fit(learned: bytes) -> None:
    army = [each for key in range(9_000, 9_080) for each in hired(key, 3, begin=4 * DAY + key, delay=30.0)]

    _, finding = show(learned, sorted(army, key=lambda each: each.at))

    assert finding is not None
    assert 25 < len(finding.keys) <= 50


def test_an_empty_population_surprises_by_nothing() -> None:
    usual, one = Usual(None), renewal(1, 0, 50.0)

    assert usual.late(one) == usual.hour(one) == usual.place(one) == usual.run(500) == 0.0


def test_surprise_of_ordinary_phones_is_no_larger_than_exponential() -> None:
    usual, phones = Usual(None), ordinary(6, 300)
    for each in phones:
        usual.learn(each)
    fresh = ordinary(2, 200, seed=2)
    late = [usual.late(each) for each in fresh]
    hours = [usual.hour(each) for each in fresh]

    for surprises in ([each for each in late if each is not None], hours):
        for nats, chance in ((1.0, 0.3679), (2.3, 0.1), (4.6, 0.01)):
            assert sum(each > nats for each in surprises) / len(surprises) < 1.35 * chance


def test_counts_survive_packing_and_are_halved_when_full() -> None:
    usual = Usual(None)
    usual.runs[0] = 0xFFFF - 1
    usual.learn_run(1)

    again = Usual(usual.packed())

    assert again.runs[0] == 0xFFFF // 2
    assert again.packed() == usual.packed()
