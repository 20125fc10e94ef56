"""The population of phones that detectors are judged by: reproducible, in order, and labelled truly."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from service.detection.epochs import EPOCH_SECONDS, epoch_of

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.scenarios import SCENARIOS, scenario
from devkit.fleet.population.world import START

PHONES = 100
TOLD_BY_TALLIES_ALONE = {"beacons"}
EVENTS = sorted(name for name, each in SCENARIOS.items() if each.expected and name not in TOLD_BY_TALLIES_ALONE)


@pytest.mark.parametrize("name", ["clones", "two-releases"])
def test_the_same_seed_gives_the_same_sightings_in_order_of_time(name: str) -> None:
    first, second, other = (list(scenario(name, seed, PHONES, days=0.2)) for seed in (3, 3, 4))

    assert first == second
    assert first != other
    assert all(a.sighting.at <= b.sighting.at for a, b in pairwise(first))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_only_a_hostile_scenario_has_labels(name: str) -> None:
    labels = {hostile for _, hostile in scenario(name, 5, 2_000)} - {""}

    assert bool(labels) == (name in EVENTS)


def test_a_farm_has_300_installs_behind_three_certificates() -> None:
    enrolled = [one for one, hostile in scenario("farm", 1, PHONES, days=1) if hostile and one.source == "enrol"]

    assert len({one.key_id for one in enrolled}) == 300
    assert len({one.issuer for one in enrolled}) == 3
    assert {one.issuer_kind for one in enrolled} == {"rkp"}
    assert len({one.request_key for one in enrolled}) == 300


def test_ordinary_phones_rarely_enrol_under_one_certificate_but_do() -> None:
    enrolled = [
        one for one, _ in scenario("ordinary-day", 1, 3_000, days=5, use=0.02) if one.source == "enrol" and one.key_id
    ]
    behind = Counter(one.issuer for one in {one.key_id: one for one in enrolled}.values() if one.issuer_kind == "rkp")

    assert max(behind.values()) >= 5, "testers, bad days"
    assert sum(count == 1 for count in behind.values()) > 0.8 * len(behind)


def test_what_evidence_did_not_prove_names_no_key() -> None:
    unproved = [one for one, _ in scenario("replays", 1, PHONES) if not one.proved]

    assert unproved
    assert not any(one.key_id or one.issuer or one.request_key or one.home_country for one in unproved)


def test_evenings_have_several_times_the_use_of_nights() -> None:
    hours = Counter(int(one.at // 3600) % 24 for one, _ in scenario("ordinary-day", 1, 150, days=5))

    assert hours[18] > 5 * hours[2]


def test_a_challenge_that_was_handed_along_is_used_within_its_life() -> None:
    sightings = [one for one, _ in scenario("ordinary-day", 2, 300, days=1) if one.source == "renew"]
    handed = [one for one in sightings if one.handed_along and one.why != "challenge-expired"]

    assert 0.2 < len(handed) / len(sightings) < 0.8
    assert all(one.delay is not None and one.delay <= 300 for one in handed)


def test_without_a_header_no_sighting_has_a_network() -> None:
    assert not any(one.network for one, _ in scenario("farm", 1, 100, networks=False, days=0.2))


def test_pseudonyms_change_with_the_epoch_and_certificates_are_recognised_across_it() -> None:
    offset = next(one.at for one, hostile in scenario("farm", 2, 10) if hostile) - START
    start = 688 * EPOCH_SECONDS - offset - 1_200
    farm = [one for one, hostile in scenario("farm", 2, 10, start=start) if hostile and one.issuer]
    before = {one.issuer for one in farm if epoch_of(one.at) == 687}
    after = {one.issuer: one.earlier_issuer for one in farm if epoch_of(one.at) == 688}

    assert before
    assert after
    assert not before & set(after)
    assert before & set(after.values())


def test_delivery_twice_is_the_same_sighting_again() -> None:
    seen: list[LabelledSighting] = list(scenario("ordinary-day", 1, 1_000, days=1))
    ids = Counter(one.sighting.id for one in seen)

    assert any(count == 2 for count in ids.values())
    assert len(set(seen)) == len(ids)
