"""Sightings of decision lines, whatever state the lines are in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import EPOCH_SECONDS, EpochKeys
from service.detection.issuer_marks import issuer_mark
from service.detection.reading import sightings_of
from service.detection.sealed_facts import seal
from service.detection.sighting import Sighting

EPOCH = 687
AT = EPOCH * EPOCH_SECONDS + 5_000.0
NOW = AT + 10
FACTS = DetectionFacts(
    proved=True, signer="own", issuer=b"i" * 16, issuer_kind="rkp", delay=2.5, enrolled_seconds=5_400, home_country="DE"
)


class Keys:
    """Keys of the epochs ``known``."""

    def __init__(self, *known: int) -> None:
        self._known: Mapping[int, EpochKeys] = {
            epoch: EpochKeys(epoch.to_bytes(32), (epoch + 1).to_bytes(32)) for epoch in known
        }

    def of(self, epoch: int) -> EpochKeys | None:
        return self._known.get(epoch)


KEYS = Keys(EPOCH - 1, EPOCH)


def line(facts: DetectionFacts | None = FACTS, *, epoch: int = EPOCH, **members: Any) -> str:
    """A decision line as a function writes it, with what the test changes."""
    written: dict[str, Any] = {
        "level": "INFO",
        "message": "decision",
        "action": "renew",
        "outcome": "accepted",
        "reason": "accepted",
        "request_id": "r-1",
        "app": "bank",
        "key_id": "k" * 43,
        "platform": "android",
        "app_build": "42",
        "at": AT,
        "os": "15",
        "model": "Pixel 9",
        "country": "DE",
        "findings": [],
    }
    if facts is not None:
        written["detection"] = seal(facts, epoch=epoch, key=epoch.to_bytes(32), nonce=b"\2" * 12)
    return json.dumps(written | members)


def read(*lines: str | None, keys: Keys = KEYS) -> tuple[list[Sighting], Counter[str]]:
    damaged = Counter[str]()
    return list(sightings_of(lines, keys, NOW, damaged)), damaged


def test_a_line_gives_its_sighting() -> None:
    (sighting,), damaged = read(line())

    assert not damaged
    assert (sighting.at, sighting.app, sighting.source, sighting.outcome, sighting.why) == (
        AT, "bank", "renew", "accepted", "",
    )  # fmt: skip
    assert (sighting.key_id, sighting.proved, sighting.signer, sighting.id) == ("k" * 43, True, "own", "r-1")
    assert (sighting.delay, sighting.enrolled_hours, sighting.home_country) == (2.5, 1.5, "DE")
    assert sighting.issuer_kind == "rkp"
    assert len({sighting.issuer, sighting.earlier_issuer, ""}) == 3


def test_an_issuer_is_recognised_across_two_epochs() -> None:
    (before,), _ = read(line(epoch=EPOCH - 1))
    (after,), _ = read(line())

    assert before.issuer == after.earlier_issuer
    assert before.earlier_issuer == ""


def test_an_issuers_mark_can_be_made_by_a_verifier() -> None:
    """By the fact key alone, from what it seals; and it joins no two epochs."""
    (sighting,), _ = read(line())
    (before,), _ = read(line(epoch=EPOCH - 1))
    (none,), _ = read(line(DetectionFacts(proved=True)))

    assert sighting.issuer_mark == issuer_mark(EPOCH.to_bytes(32), FACTS.issuer)
    assert len({sighting.issuer_mark, before.issuer_mark, sighting.issuer, ""}) == 4
    assert none.issuer_mark == ""


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"findings": ["root (observed)", "old-build"]}, "rule:old-build"),
        ({"outcome": "refused", "reason": "build-retired"}, "build-retired"),
        ({"outcome": "refused", "reason": "contraindicated", "decided_by": "root"}, "rule:root"),
        ({"outcome": "unavailable", "reason": "try-later"}, "try-later"),
    ],
)
def test_why_is_what_tallies_say(members: Mapping[str, Any], why: str) -> None:
    (sighting,), _ = read(line(**members))

    assert sighting.why == why


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (line(None), "unsealed"),
        (line(detection="A" * 116), "unreadable"),
        (line(detection=7), "unsealed"),
        (line(epoch=EPOCH + 5), "no-key"),
    ],
)
def test_a_line_whose_facts_cannot_be_read_names_no_key(written: str, cause: str) -> None:
    (sighting,), damaged = read(written)

    assert damaged == {cause: 1}
    assert (sighting.key_id, sighting.proved, sighting.issuer, sighting.app) == ("", False, "", "bank")


def test_unproved_evidence_names_no_key() -> None:
    (sighting,), damaged = read(line(DetectionFacts(issuer=b"i" * 16)))

    assert not damaged
    assert (sighting.key_id, sighting.proved) == ("", False)
    assert sighting.issuer


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        (None, "damaged"),
        ('"decision"', "damaged"),
        ('{"message":"decision"', "damaged"),
        (line(at=None), "out-of-time"),
        (line(at=True), "out-of-time"),
        (line(at=NOW + 61), "out-of-time"),
        (line().replace(str(AT), "9" * 400), "out-of-time"),
        (line(outcome="perhaps"), "damaged"),
        (line(outcome=["accepted"]), "damaged"),
        (line().replace(str(AT), "NaN"), "out-of-time"),
        ("[" * 100_000 + '"decision"', "damaged"),
    ],
)
def test_bad_lines_are_counted_and_give_no_sighting(written: str | None, cause: str) -> None:
    sightings, damaged = read(written, line())

    assert [sighting.id for sighting in sightings] == ["r-1"]
    assert damaged == {cause: 1}


@pytest.mark.parametrize(
    "written", [line(action="secret"), line(action=["enrol"]), json.dumps({"message": "tally"}), ""]
)
def test_other_lines_are_no_sightings(written: str) -> None:
    assert read(written) == ([], Counter())


def test_members_of_other_types_are_nothing_and_controls_are_replaced() -> None:
    (sighting,), _ = read(line(app=7, model=["x"], os="a\x1b[2J", findings="root", request_id=None))

    assert (sighting.app, sighting.model, sighting.os, sighting.why, sighting.id) == ("", "", "a\ufffd[2J", "", "")
