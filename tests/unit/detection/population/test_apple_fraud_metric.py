"""The detector of Apple's metric: it learns what is usual, and finds what jumps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest
from bonafide_tokens.jose import b64url_encode
from service.detection.detector import MAX_STATE
from service.detection.finding import Finding
from service.detection.population.apple_fraud_metric import FLOOR, AppleFraudMetric
from service.detection.sighting import Sighting

DAY, START = 86_400.0, 1_800_000_000.0


def key(name: object) -> str:
    return b64url_encode(sha256(str(name).encode()).digest())


def sighting(name: object, metric: int | None, at: float, **changes: object) -> Sighting:
    members: dict[str, object] = {
        "at": at, "app": "demo", "source": "renew", "outcome": "accepted", "why": "", "key_id": key(name),
        "proved": True, "platform": "ios", "app_build": "1", "os": "26", "model": "iPhone18,1", "country": "DE",
        "risk_metric": metric,
    }  # fmt: skip
    return Sighting(**{**members, **changes})  # type: ignore[arg-type]


def usual(name: object) -> int:
    """One key in six is on a device with a second one, and so on."""
    chance, metric = random.Random(f"metric {name}"), 1
    while chance.random() < 1 / 6:
        metric += 1
    return metric


@cache
def population(seed: int, first: int, last: int) -> tuple[Sighting, ...]:
    """What of so many keys has a slot."""
    detector = AppleFraudMetric()
    every = (sighting((seed, name), usual((seed, name)), 0.0) for name in range(first, last))
    return tuple(one for one in every if detector.slots_of(one))


def at_day(sightings: Sequence[Sighting], at: float) -> list[Sighting]:
    return [replace(one, at=at) for one in sightings]


class Shown:
    """One app's slot; deliveries of a few hundred sightings."""

    def __init__(self) -> None:
        self.detector = AppleFraudMetric()
        self.findings: list[Finding] = []
        self.state: bytes | None = None

    def show(self, sightings: Sequence[Sighting], now: float) -> Finding | None:
        those = [each for each in sightings if self.detector.slots_of(each)]
        folded = self.detector.fold("app", self.state, those, now)
        again = self.detector.fold("app", folded.state, those, now)
        assert again.state == folded.state, "a delivery that comes again changes nothing"
        assert folded.state is not None
        assert len(folded.state) <= MAX_STATE
        self.state = folded.state
        if folded.finding is not None:
            self.findings.append(folded.finding)
        return folded.finding

    def days(self, first: int, last: int, keys: int, seed: int = 0) -> None:
        for day in range(first, last):
            at = START + day * DAY
            self.show(at_day(population(seed, 0, keys), at), at + 60)


def farm(at: float, metric: int, keys: int = 6) -> list[Sighting]:
    return [sighting(("farm", number), metric, at + number) for number in range(keys)]


def test_farm_is_found_by_the_jump_of_its_keys() -> None:
    """After three weeks of an ordinary app, six keys of one device read thirty."""
    shown = Shown()
    shown.days(0, 21, keys=4_000)
    assert shown.findings == []
    at = START + 21 * DAY
    finding = shown.show(farm(at, 30), at + 60)
    assert finding is not None
    assert (finding.detector, finding.scope, finding.counts["keys"]) == ("apple-fraud-metric", "key", 6)
    assert set(finding.keys) == {key(("farm", number)) for number in range(6)}
    assert "forbid" not in finding.remedy.text
    assert finding.remedy.rule


@pytest.mark.parametrize(
    ("seed", "days"), [(0, 35), *(pytest.param(seed, 60, marks=pytest.mark.exhaustive) for seed in range(20))]
)
def test_ordinary_app_is_quiet(seed: int, days: int) -> None:
    """Some of its people reinstall a lot; the tail is geometric, and new installs come each week."""
    shown = Shown()
    for day in range(days):
        at = START + day * DAY
        shown.show(at_day(population(seed, day // 7 * 100, day // 7 * 100 + 3_000), at), at + 60)
    assert shown.findings == []


def test_phones_that_were_high_before_are_known() -> None:
    """A laboratory's test phones have dozens of keys, and had them in the first week; they are odd when it grows on."""
    shown = Shown()
    for day in range(20):
        at = START + day * DAY
        shown.show(at_day(population(0, 0, 3_000), at) + farm(at, 25), at + 60)
    assert shown.findings == []
    at = START + 20 * DAY
    assert shown.show(farm(at, 60), at + 60) is not None


def test_two_keys_are_no_farm_and_a_young_app_is_silent() -> None:
    """A person with two phones that are reset often; and an app in its first week."""
    shown = Shown()
    shown.days(0, 21, keys=3_000)
    at = START + 21 * DAY
    assert shown.show(farm(at, 40, keys=2), at + 60) is None
    young = Shown()
    young.days(0, 5, keys=3_000)
    assert young.show(farm(START + 5 * DAY, 40), START + 5 * DAY + 60) is None


def test_finding_fades_in_a_week_and_metrics_that_stay_write_nothing() -> None:
    """The same value again and again, as every renewal brings it, leaves the state as it is."""
    shown = Shown()
    shown.days(0, 21, keys=3_000)
    at = START + 21 * DAY
    assert shown.show(farm(at, 30), at + 60) is not None
    before = shown.state
    odd = [each for each in farm(at + 600, 30) if not _sampled(each)]
    assert shown.show(odd, at + 660) is not None
    assert shown.state == before
    assert shown.show(odd, at + 8 * DAY) is None


def _sampled(one: Sighting) -> bool:
    return bool(AppleFraudMetric().slots_of(sighting("x", 1, 0.0, key_id=one.key_id)))


def left_out() -> Iterator[Sighting]:
    yield sighting(1, None, START)
    yield sighting(1, 0, START)
    yield sighting(1, 90, START, proved=False)
    yield sighting(1, 90, START, key_id="")


@pytest.mark.parametrize("one", list(left_out()))
def test_what_proves_nothing_costs_nothing(one: Sighting) -> None:
    """No metric, no key, no proof: no slot."""
    assert AppleFraudMetric().slots_of(one) == ()


def test_most_renewals_cost_no_read() -> None:
    """One key in sixteen is a sample; the others have no slot while their metric is low."""
    detector = AppleFraudMetric()
    touched = sum(bool(detector.slots_of(sighting(name, FLOOR - 1, START))) for name in range(4_000))
    assert 180 < touched < 320


def test_key_ids_that_are_none_are_left_out() -> None:
    """A line that was tampered with raises nothing."""
    shown = Shown()
    assert shown.show([sighting(1, 90, START, key_id="not a key")], START + 1) is None
