"""Android claims in the store: what goes in comes out, and nothing personal goes in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from attestation.android.key_description import read_application_id
from attestation.claims import Claims
from attestation.encoding import der
from attestation.errors import MalformedEvidence

from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES
from devkit.devices.authority.der_writer import integer, octet_string
from tests.minted_claims import changed_claims

from .play_scene import judged, payload
from .scene import Scene, claims_of, with_draft, with_hardware

PLAY = judged(payload())


@pytest.mark.parametrize("release", RELEASES)
def test_record_gives_the_same_claims_back(release: str) -> None:
    """Through JSON, as the attested_keys table keeps them."""
    for claims in (claims_of(Scene.default(release)), claims_of(Scene.default(release)).with_play(PLAY)):
        assert Claims.of_stored_key(json.loads(json.dumps(claims.to_record()))) == claims


def test_renewal_keeps_enrolment_and_takes_the_newer_verdict() -> None:
    """Google's latest word replaces its former one; a renewal without one keeps it."""
    enrolled = claims_of(Scene.default()).with_play(PLAY)
    newer = replace(PLAY, device_labels=())
    assert enrolled.renewed(enrolled.with_play(newer)) == enrolled.with_play(newer)
    assert enrolled.android is not None
    silent = changed_claims(enrolled, android=replace(enrolled.android, play=None))
    assert enrolled.renewed(silent) == enrolled


def test_device_ids_never_enter_the_claims() -> None:
    """Serial number, IMEI and MEID may be in evidence; they are not our business."""
    ids = {713: b"R58M123ABCD", 714: b"490154203237518", 715: b"A10000009296F2", 723: b"490154203237519"}
    ask = with_draft(
        lambda draft: replace(
            draft, description=draft.description.with_hardware({tag: octet_string(v) for tag, v in ids.items()})
        )
    )
    record = json.dumps(ask().ask().to_record())
    assert not any(value.decode() in record or value.hex() in record for value in ids.values())


def test_members_of_a_newer_release_are_left_out() -> None:
    """After a rollback its rows are still there: keys must go on renewing."""
    claims = claims_of(Scene.default()).with_play(PLAY)
    record = json.loads(json.dumps(claims.to_record()))
    record["tomorrow"] = record["android"]["tomorrow"] = record["android"]["play"]["tomorrow"] = 1
    assert Claims.of_stored_key(record) == claims


def test_boot_state_is_a_word() -> None:
    """A policy author reads words, not numbers."""
    states = (kd.VERIFIED, kd.SELF_SIGNED, kd.UNVERIFIED, kd.FAILED)
    claims = [claims_of(Scene.default(boot_state=state)).android for state in states]
    assert [android.verified_boot_state for android in claims if android] == [
        "verified",
        "self-signed",
        "unverified",
        "failed",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (80_100, "8.1"),
        (130_000, "13"),
        (160_000, "16"),
        (101_112, "10.11.12"),
        (140_005, "14.0.5"),
        (0, None),
        (-1, None),
        (1, "0.0.1"),
        (9, "0.0.9"),
    ],
)
def test_os_version_is_told_as_people_write_it(number: int, text: str | None) -> None:
    """KeyMint counts MMmmss; 0 is a device before its release."""
    claims = with_hardware(t705=integer(number))().ask()
    assert claims.os_version == text
    assert claims.android is not None
    assert claims.android.os_version == number


@pytest.mark.parametrize(("packages", "digests", "read"), [(256, 64, True), (257, 1, False), (1, 65, False)])
def test_application_id_has_bounds(packages: int, digests: int, read: bool) -> None:
    """A shared user id of the system has thirteen packages; no app has a thousand signers."""
    held = kd.application_id(
        [(f"org.example.p{number}", 1) for number in range(packages)], [bytes([n]) * 32 for n in range(digests)]
    )
    inner = der.single(held, der.OCTET_STRING)
    if read:
        application = read_application_id(inner)
        assert (len(application.packages), len(application.signature_digests)) == (packages, digests)
        return
    with pytest.raises(MalformedEvidence):
        read_application_id(inner)
