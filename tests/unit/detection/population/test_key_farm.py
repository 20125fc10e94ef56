"""Farms are told by how close together keys come under one device's certificate, or with one request key."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from service.detection.population.key_farm import FALSE_ALARMS, LEAST, KeyFarm, window
from service.detection.sighting import Sighting

from tests.unit.detection.population.made_up import START, folded, in_pieces, name_of, sighting

FARM = KeyFarm()
DEVICE = name_of("device", size=16)
SLOT = f"issuer/{DEVICE}"
DAY = 86_400.0


def enrolments(number: int, gap: float, first: int = 0) -> list[Sighting]:
    return [
        sighting(first + each, each * gap, issuer=DEVICE, issuer_kind="rkp", issuer_mark="mark")
        for each in range(number)
    ]


def test_fifth_key_within_minutes_is_a_farm() -> None:
    keys = enrolments(LEAST, 60)

    before, nothing = folded(FARM, SLOT, keys[:-1])
    _, finding = folded(FARM, SLOT, keys[-1:], before)

    assert nothing is None
    assert finding is not None
    assert finding.scope == "key"
    assert set(finding.keys) == {each.key_id for each in keys}
    assert finding.issuers == ("mark",)
    assert (finding.since, finding.last) == (START, START + 240)
    assert DEVICE in finding.subject


def test_profiles_and_users_of_one_phone_are_none() -> None:
    assert folded(FARM, SLOT, enrolments(LEAST - 1, 1.0))[1] is None


def test_reinstalling_for_weeks_is_none() -> None:
    assert folded(FARM, SLOT, enrolments(30, DAY))[1] is None


def test_testers_are_named_no_more_often_than_the_budget_says() -> None:
    chance, months, alarms = random.Random(5), 100, 0
    for _ in range(months):
        worked, keys = 0.0, []
        for number in range(220):
            worked += chance.expovariate(10 / (9 * 3_600))
            keys.append(sighting(number, worked, issuer=DEVICE, issuer_kind="rkp"))
        state = None
        for end in range(0, len(keys), 40):
            state, finding = folded(FARM, SLOT, keys[end : end + 40], state)
            if finding is not None:
                alarms += 1
                break

    assert FALSE_ALARMS / 10 < alarms / months < FALSE_ALARMS  # the budget is a bound, and no empty one


def test_a_patient_farm_is_found_by_its_number() -> None:
    assert folded(FARM, SLOT, enrolments(60, 900))[1] is not None


@pytest.mark.parametrize(
    "members",
    [
        {"proved": False},
        {"outcome": "refused", "why": "rule:android-unlocked"},
        {"outcome": "unavailable", "why": "try-later"},
        {"issuer_kind": "factory"},
        {"source": "renew"},
        {"source": "signal"},
    ],
)
def test_what_does_not_count(members: dict[str, object]) -> None:
    one = replace(enrolments(1, 0)[0], **members)  # type: ignore[arg-type]

    assert not FARM.slots_of(one)


def test_what_the_stack_bounds_still_counts() -> None:
    one = replace(enrolments(1, 0)[0], outcome="refused", why="device-enrolments")

    assert FARM.slots_of(one) == [SLOT]


def test_both_names_of_a_certificate_make_one_incident() -> None:
    keys = [replace(each, earlier_issuer="before") for each in enrolments(6, 30)]

    assert FARM.slots_of(keys[0]) == [SLOT, "issuer/before"]
    one, other = folded(FARM, SLOT, keys)[1], folded(FARM, "issuer/before", keys)[1]
    assert one is not None
    assert one == other


def test_one_request_key_behind_many_attested_keys() -> None:
    keys = [sighting(number, number * 100.0, source="renew", request_key="instance") for number in range(6)]

    assert FARM.slots_of(keys[0]) == ["request-key/instance"]
    _, finding = folded(FARM, "request-key/instance", keys)
    assert finding is not None
    assert finding.issuers == ()


def test_a_victims_request_key_does_not_name_the_victim() -> None:
    victim = sighting(99, 0.0, source="renew", request_key="instance")
    attackers = [sighting(number, 7_200 + number * 30.0, request_key="instance") for number in range(6)]

    _, finding = folded(FARM, "request-key/instance", [victim, *attackers])

    assert finding is not None
    assert victim.key_id not in finding.keys
    assert len(finding.keys) == 6


def test_ordinary_renewals_write_nothing() -> None:
    state, _ = folded(FARM, "request-key/instance", [sighting(1, request_key="instance")])

    again, _ = folded(FARM, "request-key/instance", [sighting(1, 9_000, source="renew")], state)

    assert again == state
    assert state is not None
    assert len(state) < 64


@pytest.mark.parametrize("seed", range(5))
def test_order_and_repetition_change_nothing(seed: int) -> None:
    keys = enrolments(60, 25)
    state, finding = folded(FARM, SLOT, keys)
    shuffled = random.Random(seed).sample(keys, len(keys))

    assert in_pieces(FARM, SLOT, shuffled, seed) == (state, finding)


def test_large_farms_are_counted_in_bounded_memory() -> None:
    state, finding = folded(FARM, SLOT, enrolments(2_000, 5))

    assert finding is not None
    assert finding.counts["keys"] == pytest.approx(2_000, rel=0.09)  # three standard errors
    assert folded(FARM, SLOT, enrolments(50, 5, first=1_950), state)[1] is not None


def test_windows_grow_with_the_number() -> None:
    windows = [window(count) for count in range(LEAST, 90)]

    assert windows == sorted(windows)
    assert 600 < windows[0] < 1_800


@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_victim_who_is_seen_first_amid_a_farm_is_not_named(place: int) -> None:
    """As at an epoch's beginning, when each request key has a new name: an attacker waits for that."""
    victim = sighting(99, place * 30.0 - 1, source="renew", request_key="instance", enrolled_hours=900.5)
    attackers = [sighting(number, number * 30.0, request_key="instance") for number in range(6)]

    _, finding = folded(FARM, "request-key/instance", [*attackers[:place], victim, *attackers[place:]])

    assert finding is not None
    assert victim.key_id not in finding.keys
    assert len(finding.keys) == 6


def test_a_farm_stays_known_when_its_keys_renew_under_a_new_name() -> None:
    keys = [
        sighting(
            number, DAY + number * 3_600, source="renew", request_key="instance", enrolled_hours=24 + number * 0.99
        )
        for number in range(6)
    ]

    _, finding = folded(FARM, "request-key/instance", keys)

    assert finding is not None
    assert len(finding.keys) == 6


def test_renewals_of_a_known_key_write_nothing() -> None:
    enrolled = replace(sighting(1, 0.7, request_key="instance"), source="enrol")
    state, _ = folded(FARM, "request-key/instance", [enrolled])
    for seconds in (1_000, 5_001, 99_999):
        renewed = sighting(1, seconds + 0.3, source="renew", request_key="instance", enrolled_hours=seconds / 3_600)
        assert folded(FARM, "request-key/instance", [renewed], state)[0] == state
