"""Whose installs were refused: a fair sample, whatever comes how often."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from service.detection.detector import MAX_SLOT_OCTETS, MAX_SLOTS, MAX_STATE
from service.detection.rates.refused_signers import SAMPLE, RefusedSigners, signers_of
from service.detection.sighting import Sighting

from tests.unit.rates.rows import APP, MONDAY

DETECTOR = RefusedSigners()
ONE = Sighting(
    at=MONDAY, app=APP, source="renew", outcome="refused", why="rule:build-unknown", key_id="k", proved=True,
    platform="ios", app_build="43", os="iOS 26.1", model="iPhone17,1", country="DE", signer="own", id="r",
)  # fmt: skip


def folded(*sightings: Sighting, state: bytes | None = None) -> bytes | None:
    """The state after them."""
    return DETECTOR.fold("build:x", state, sightings, MONDAY).state


@pytest.mark.parametrize(
    ("change", "slots"),
    [
        ({}, 3),
        ({"outcome": "accepted"}, 0),
        ({"outcome": "unavailable"}, 0),
        ({"proved": False, "signer": ""}, 0),
        ({"proved": False, "signer": "other"}, 3),
        ({"model": ""}, 2),
        ({"model": "m" * 500, "app_build": "\ud800"}, 3),
    ],
)
def test_only_refusals_of_proved_installs_belong_to_slots(change: dict[str, str], slots: int) -> None:
    names = DETECTOR.slots_of(replace(ONE, **change))  # type: ignore[arg-type]
    assert len(names) == len(set(names)) == slots <= MAX_SLOTS
    assert all(len(name.encode()) <= MAX_SLOT_OCTETS for name in names)


def test_the_same_again_changes_nothing() -> None:
    state = folded(ONE)
    assert folded(ONE, replace(ONE, id="another", at=MONDAY + 9.0), state=state) is state
    assert signers_of(state) == (1, 0, 1)


def test_an_install_is_a_request_key_or_a_device_or_a_key() -> None:
    state = folded(
        replace(ONE, key_id="a", request_key="q"),
        replace(ONE, key_id="b", request_key="q"),
        replace(ONE, key_id="c", issuer="i", issuer_kind="rkp"),
        replace(ONE, key_id="d", issuer="i", issuer_kind="rkp"),
        replace(ONE, key_id="e", issuer="i", issuer_kind="factory"),
        replace(ONE, key_id="f", issuer="i", issuer_kind="factory"),
    )
    assert signers_of(state) == (4, 0, 4)


def test_a_sample_is_small_fair_and_the_same_in_any_order() -> None:
    chance = random.Random(5)
    sightings = [
        replace(ONE, key_id=f"key {n}", signer="own" if n % 5 else "other" if n % 10 else "") for n in range(5_000)
    ]
    state = folded(*sightings)
    chance.shuffle(sightings)
    other = None
    for begin in range(0, 5_000, 500):
        other = folded(*sightings[begin : begin + 500], *sightings[:10], state=other)
    assert state == other
    assert state is not None
    assert len(state) <= MAX_STATE
    signers = signers_of(state)
    assert signers.own + signers.other <= SAMPLE
    assert signers.own_share == pytest.approx(8 / 9, abs=0.07)
    assert signers.installs == pytest.approx(5_000, rel=0.25)


def test_nothing_known() -> None:
    assert signers_of(None) == (0, 0, 0)
    assert signers_of(None).own_share is None
    assert signers_of(folded(replace(ONE, signer=""))).own_share is None
