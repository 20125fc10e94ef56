"""Requests that come again are a storm by their number against the hour's, and name no key."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from service.detection.population.replay_storm import REPLAYED, WINDOW, ReplayStorm, limit
from service.detection.population.tails import negative_binomial_tail
from service.detection.sighting import Sighting

from tests.unit.detection.population.made_up import START, folded, in_pieces, name_of, sighting

STORM = ReplayStorm()


def replay(number: int, after: float, **members: object) -> Sighting:
    given = {
        "source": "renew", "outcome": "refused", "why": "challenge-spent", "network": "cafe", "request_key": "victim's",
        "id": f"request {number}", **members,
    }  # fmt: skip
    return sighting(1, after, **given)


def ordinary_days(days: int, per_window: float, seed: int = 1) -> list[Sighting]:
    chance, at = random.Random(seed), 0.0
    found: list[Sighting] = []
    while at < days * 86_400:
        busy = 2.0 if 8 <= (START + at) / 3_600 % 24 < 22 else 0.3
        at += chance.expovariate(per_window * busy / WINDOW)
        found.append(replay(len(found), at))
    return found


@pytest.mark.parametrize("slot", ["app", "network/cafe"])
def test_a_storm_names_the_app_and_the_network_and_never_a_key(slot: str) -> None:
    _, finding = folded(STORM, slot, [replay(number, number * 0.5) for number in range(400)])

    assert finding is not None
    assert finding.keys == finding.issuers == ()
    assert name_of("key", 1) not in repr(finding)
    assert finding.scope == ("network" if "cafe" in slot else "population")


def test_both_slots_are_shown() -> None:
    assert STORM.slots_of(replay(1, 0)) == ("app", "network/cafe")
    assert STORM.slots_of(replay(1, 0, network="")) == ("app",)
    assert not STORM.slots_of(replay(1, 0, why="rule:android-unlocked"))
    assert not STORM.slots_of(replay(1, 0, outcome="accepted", why=""))


def test_what_a_stranger_did_not_prove_counts_as_well_and_names_nothing() -> None:
    storm = [replay(n, n * 0.5, proved=False, key_id="", why="challenge-expired") for n in range(400)]

    assert folded(STORM, "app", storm)[1] is not None


def test_ordinary_weeks_are_quiet_and_a_storm_after_them_is_seen() -> None:
    state, finding = folded(STORM, "app", ordinary_days(14, 6.0))
    assert finding is None

    night = (START // 86_400 + 16) * 86_400 + 3 * 3_600 - START
    assert folded(STORM, "app", [replay(10**6 + n, night + n) for n in range(60)], state)[1] is not None
    noon = night + 9 * 3_600
    assert folded(STORM, "app", [replay(10**6 + n, noon + n) for n in range(25)], state)[1] is None


def test_a_storm_ends() -> None:
    state, _ = folded(STORM, "app", [replay(number, number * 0.5) for number in range(400)])

    assert folded(STORM, "app", [replay(1_000, 3 * 3_600.0)], state)[1] is None


@pytest.mark.parametrize("seed", range(4))
def test_order_and_repetition_change_nothing_within_a_window(seed: int) -> None:
    start = (START // WINDOW + 1) * WINDOW - START
    storm = [replay(number, start + number * 0.5) for number in range(300)]
    shuffled = random.Random(seed).sample(storm, len(storm))
    state, finding = folded(STORM, "app", storm)

    again, same = folded(STORM, "app", shuffled, state)

    assert (again, same) == (state, finding)
    assert in_pieces(STORM, "app", storm, seed)[0] == state


@pytest.mark.parametrize("mean", [0.02, 1.0, 5.0, 80.0])
@pytest.mark.parametrize("spread", [0.1, 1.1])
def test_limit_is_the_largest_usual_count(mean: float, spread: float) -> None:
    most = limit(mean, spread, 1e-5)

    assert negative_binomial_tail(most + 1, mean, spread) <= 1e-5 < negative_binomial_tail(most, mean, spread)


def test_reasons_are_those_of_the_product() -> None:
    from attestation.errors import Reason as Evidence
    from bonafide_tokens.errors import Reason as Tokens
    from service.errors import Reason as Service

    assert {*map(str, Evidence), *map(str, Service), *map(str, Tokens)} >= REPLAYED


def test_one_request_delivered_often_is_one() -> None:
    one = replay(1, 10)

    assert folded(STORM, "app", [replace(one) for _ in range(500)])[1] is None
