"""Google's status list: what it is read from, exact look-ups, and an age from which it is not used."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import pytest
from attestation.android.revocation import MAX_STATUS_LIST_BYTES, StatusList, parse_status_list
from attestation.endorsements import ANDROID_STATUS_MAX_AGE, pinned_endorsements
from attestation.errors import EndorsementsUnavailable, Reason, RejectedEvidence

from devkit.devices.authority.certificate_template import SigningCertificate

from .recorded_status_list import real_list
from .scene import AUTHORITY, ENDORSEMENTS, NOW, Question, Scene


def _listed(**entries: object) -> bytes:
    return json.dumps({"entries": entries}).encode("utf-8")


def test_list_is_read_with_every_member_google_documents() -> None:
    """Reason, expiry and comment are for people; the status is what counts."""
    entry = {"status": "REVOKED", "expires": "2020-11-13", "reason": "KEY_COMPROMISE", "comment": "leaked"}
    status_list = parse_status_list(_listed(a1b2=entry), fetched_at=5.0)
    assert status_list == StatusList({"a1b2": "REVOKED"}, 5.0)


def test_members_beside_the_documented_ones_are_ignored() -> None:
    """A list that Google extends is still a list."""
    data = json.dumps({"version": 2, "entries": {"a1": {"status": "REVOKED", "scope": []}}}).encode()
    assert parse_status_list(data, fetched_at=0).entries == {"a1": "REVOKED"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'[["entries", {}]]',
        b'{"entries": []}',
        b'{"entries": null}',
        b'{"entries": {}, "entries": 1}',
        b'{"entries": {"a1": {"status": NaN}}}',
        b'{"entries": {"a1": {"status": "REVOKED"}}',
        b'{"entries": {"a1": {"status": "REVOKED"}}} trailing',
        b'\xff{"entries": {}}',
        b"[" * 100_000,
        b'{"entries": {"": {"status": "REVOKED"}}}',
        b'{"entries": {"keybox": {"status": "REVOKED"}}}',
        b'{"entries": {"' + b"a" * 200 + b'": {"status": "REVOKED"}}}',
        b'{"entries": {}}'.ljust(MAX_STATUS_LIST_BYTES + 1),
        b'{"entries": {"a1": ' + b"9" * 10_000 + b"}}",
    ],
)
def test_document_that_is_no_status_list_is_refused_whole(data: bytes) -> None:
    """It would un-revoke everything: the caller keeps its last good list."""
    with pytest.raises(EndorsementsUnavailable) as refusal:
        parse_status_list(data, fetched_at=0)
    assert refusal.value.reason is Reason.ENDORSEMENTS_MALFORMED


def test_list_cannot_be_changed() -> None:
    """It is swapped whole or not at all."""
    status_list = parse_status_list(_listed(a1={"status": "REVOKED"}), fetched_at=0)
    with pytest.raises(TypeError):
        status_list.entries["a1"] = "VALID"  # type: ignore[index]


@pytest.mark.parametrize(
    ("serial", "found"),
    [
        (0x6681152659205225093, True),  # decimal digits, and hexadecimal all the same
        (6681152659205225093, True),  # the same digits as a decimal serial, in case Google means that
        (42, False),  # too short to be looked up in decimal: an entry 42 is the certificate 0x42
        (0x42, True),
        (0x0C35747A084470C3135AEEFE2B8D40CD, True),  # a leading zero nibble is not written
        (0xC35747A084470C3135AEEFE2B8D40CD6, False),
        (0x1C35747A084470C3135AEEFE2B8D40CD, False),  # an entry is no substring
        (0x681152659205225093, False),
        (-0x0F, True),  # the octet f1 without its leading zero octet
    ],
)
def test_serial_is_looked_up_in_its_spellings_and_no_others(serial: int, found: bool) -> None:
    """Peers looked up decimal alone, padded or partial serials, and let revoked keyboxes through."""
    status_list = StatusList(
        {"6681152659205225093": "REVOKED", "c35747a084470c3135aeefe2b8d40cd": "REVOKED", "f1": "REVOKED", "42": "R"},
        NOW,
    )
    assert (status_list.status_of(serial) is not None) is found


@pytest.mark.parametrize("age", [0.0, 1.0, ANDROID_STATUS_MAX_AGE, -60.0])
def test_young_list_is_gone_by(age: float) -> None:
    """Up to the limit, and with a little disagreement between clocks."""
    endorsements = ENDORSEMENTS.with_android_status(StatusList({}, NOW - age))
    assert endorsements.fresh_android_status(NOW).fetched_at == NOW - age


def test_stack_may_choose_to_go_by_an_old_list() -> None:
    """Its own, visible choice: an unlimited age."""
    endorsements = ENDORSEMENTS.with_android_status(StatusList({}, 0.0), max_age=inf)
    assert endorsements.fresh_android_status(NOW).fetched_at == 0.0


def test_pinned_endorsements_have_no_list() -> None:
    """Nothing may pass before a list was fetched once."""
    with pytest.raises(EndorsementsUnavailable) as refusal:
        pinned_endorsements().fresh_android_status(NOW)
    assert refusal.value.reason is Reason.ENDORSEMENTS_MISSING


def test_refusal_names_the_certificate_and_its_status() -> None:
    """An operator finds the entry that did it. The serial of one device's own certificate is not named: the refusals of
    all its installs would be joined by it, in logs and archive."""
    chain = Scene.default().draft.chain()
    line = AUTHORITY.android.rkp_line(now=NOW)
    shared = line.above[0].template.serial
    told = {line.batch.template.serial: "certificate 1", shared: f"certificate 2, serial {shared:x}"}
    for serial, which in told.items():
        endorsements = ENDORSEMENTS.with_android_status(StatusList({f"{serial:x}": "SUSPENDED"}, NOW))
        with pytest.raises(RejectedEvidence) as refusal:
            Question.of(chain, endorsements=endorsements).ask()
        assert refusal.value.detail == f"{which}: SUSPENDED"


@pytest.mark.parametrize("serial", [0x5871646753572800414, 0xC35747A084470C3135AEEFE2B8D40CD6])
def test_batch_on_the_real_list_is_refused(serial: int) -> None:
    """A serial that Google revoked: the first is a batch of a phone in the field, in decimal digits only."""
    status_list = real_list("google_status_snapshot_2025-01.json")
    line = AUTHORITY.android.factory_line()
    batch = SigningCertificate(line.batch.key, replace(line.batch.template, serial=serial))
    chain = Scene.default("pixel-5", line=replace(line, batch=batch)).draft.chain()
    with pytest.raises(RejectedEvidence) as refusal:
        Question.of(chain, endorsements=ENDORSEMENTS.with_android_status(status_list)).ask()
    assert refusal.value.reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize(("digits", "found"), [(15, False), (16, True), (17, True)])
def test_decimal_serial_is_looked_up_from_sixteen_digits_on(digits: int, found: bool) -> None:
    """A shorter one could be another certificate's in hexadecimal."""
    name = "123456789012345678"[:digits]
    listed = StatusList({name: "REVOKED"}, NOW)
    assert (listed.status_of(int(name)) is not None) is found
    assert (listed.status_of_name(name) is not None) is found
    assert listed.status_of(int(name, 16)) == "REVOKED"
