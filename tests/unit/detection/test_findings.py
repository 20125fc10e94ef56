"""Findings are bounded, whatever a device called itself, and name their incident."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from service.detection.finding import MAX_KEYS, MAX_NAMED_OCTETS, Finding, Remedy, incident_id

FINDING = Finding(
    detector="key-farm",
    subject="rkp/abc",
    app="demo",
    since=1_000.0,
    last=1_060.0,
    title="One device serves 41 installs.",
    counts={"keys": 41},
    keys=("k1", "k2"),
    confidence=0.9,
    because=("41 keys behind one certificate",),
    scope="key",
    remedy=Remedy(kind="rule", text="Lower their trust."),
    quiet_after=3_600.0,
)


def test_id_depends_on_app_detector_and_subject_alone() -> None:
    again = replace(FINDING, last=2_000.0, counts={"keys": 99}, title="Another sentence.")

    assert incident_id(FINDING) == incident_id(again)
    assert incident_id(FINDING).startswith("key-farm-")
    others = [replace(FINDING, app="other"), replace(FINDING, subject="rkp/xyz"), replace(FINDING, detector="spike")]
    assert len({incident_id(each) for each in [FINDING, *others]}) == 4


def test_parts_of_an_id_do_not_run_into_each_other() -> None:
    one, other = replace(FINDING, app="ab", subject="c"), replace(FINDING, app="a", subject="bc")

    assert incident_id(one) != incident_id(other)


def test_what_devices_say_is_cut() -> None:
    hostile = replace(
        FINDING, named={"build": "\U0001f4a3" * 500, "os": "\ud800"}, keys=("k",) * 3 + tuple(map(str, range(200)))
    )

    assert len(hostile.named["build"].encode()) <= MAX_NAMED_OCTETS
    assert hostile.named["os"] == "?"
    assert len(hostile.keys) == MAX_KEYS
    assert hostile.keys[:2] == ("k", "0")


@pytest.mark.parametrize(
    "wrong",
    [
        {"detector": "Key Farm"},
        {"subject": ""},
        {"subject": "x" * 201},
        {"confidence": 1.5},
        {"since": 3_000.0},
        {"quiet_after": 0.0},
        {"scope": "everyone"},
        {"scope": "population"},
    ],
)
def test_what_cannot_be_is_a_fault_of_the_detector(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(FINDING, **wrong)


def test_remedy_is_of_a_known_kind() -> None:
    with pytest.raises(ValueError):
        Remedy(kind="refuse-everyone", text="")  # type: ignore[arg-type]
