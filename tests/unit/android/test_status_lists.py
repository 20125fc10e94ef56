"""Status lists as Google publishes them, and minted ones in their shapes: each is read as ADR 33 decides."""

from __future__ import annotations

import json

import pytest
from attestation.android.revocation import StatusList, parse_status_list
from attestation.errors import Reason, RejectedEvidence
from attestation.reverify import reverify
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.android.recorded_status_list import real_list

from .scene import AUTHORITY, ENDORSEMENTS, NOW, REFERENCE_VALUES, Question, Scene

KEYBOX = "c35747a084470c3135aeefe2b8d40cd6"
BATCH = "6681152659205225093"


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("google_status_snapshot_2025-01.json", 467),
        ("google_doc_example.json", 3),
        ("google_test_status.json", 5),
        ("google_status_copy_2023-05-28-2acd3ec.json", 46),
        ("google_status_copy_2024-01-04-37c0def.json", 48),
        ("google_status_copy_2024-01-23-02196c2.json", 48),
        ("google_status_copy_2024-02-23-22a7194.json", 76),
        ("google_status_copy_2024-06-26-da1961d.json", 389),
        ("google_status_copy_2024-11-21-9d09a3b.json", 467),
    ],
)
def test_list_as_published_is_read_whole(name: str, count: int) -> None:
    """Five of them repeat serials; every serial of every one counts."""
    status_list = real_list(name)
    assert (len(status_list.entries), status_list.unread) == (count, 0)
    for serial in status_list.entries:
        assert status_list.status_of(int(serial, 16)) is not None


MINTED: dict[str, tuple[str, dict[str, str], int]] = {
    "a serial twice, alike": (
        f'{{"{KEYBOX}": {{"status": "REVOKED", "reason": "KEY_COMPROMISE"}}, "{BATCH}" : {{"status": "REVOKED"}}, '
        f'"{KEYBOX}" : {{"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}}',
        {KEYBOX: "REVOKED", BATCH: "REVOKED"},
        0,
    ),
    "a serial twice, the stricter first": (
        f'{{"{KEYBOX}": {{"status": "REVOKED"}}, "{KEYBOX}": {{"status": "SUSPENDED"}}}}',
        {KEYBOX: "REVOKED"},
        0,
    ),
    "a serial twice, the stricter last": (
        f'{{"{KEYBOX}": {{"status": "SUSPENDED"}}, "{KEYBOX}": {{"status": "REVOKED"}}}}',
        {KEYBOX: "REVOKED"},
        0,
    ),
    "a serial taken back in the same list": (
        f'{{"{KEYBOX}": {{"status": "REVOKED"}}, "{KEYBOX}": {{"status": "VALID"}}}}',
        {KEYBOX: "REVOKED"},
        0,
    ),
    "a serial taken back by an unknown word": (
        f'{{"{KEYBOX}": {{"status": "REVOKED"}}, "{KEYBOX}": {{"status": "ACTIVE"}}}}',
        {KEYBOX: "REVOKED"},
        0,
    ),
    "a serial twice, neither stricter": (
        f'{{"{KEYBOX}": {{"status": "SUSPENDED"}}, "{KEYBOX}": {{"status": "EXPIRED"}}}}',
        {KEYBOX: "SUSPENDED"},
        0,
    ),
    "a serial in two cases": (
        f'{{"{KEYBOX.upper()}": {{"status": "SUSPENDED"}}, "{KEYBOX}": {{"status": "SUSPENDED"}}}}',
        {KEYBOX: "SUSPENDED"},
        0,
    ),
    "serials padded to whole bytes": (
        '{"0c35747a084470c3135aeefe2b8d40cd": {"status": "REVOKED"}, "01": {"status": "REVOKED"}}',
        {"c35747a084470c3135aeefe2b8d40cd": "REVOKED", "1": "REVOKED"},
        0,
    ),
    "serials as other tools write them": (
        f'{{"0x{KEYBOX}": {{"status": "REVOKED"}}, " {BATCH} ": {{"status": "REVOKED"}}}}',
        {KEYBOX: "REVOKED", BATCH: "REVOKED"},
        0,
    ),
    "entries without a status, or with one in another form": (
        f'{{"{KEYBOX}": {{"reason": "KEY_COMPROMISE"}}, "{BATCH}": "SUSPENDED", "a1": null, "a2": {{"status": 1}}}}',
        {KEYBOX: "REVOKED", BATCH: "SUSPENDED", "a1": "REVOKED", "a2": "REVOKED"},
        0,
    ),
    "a status twice": (
        f'{{"{KEYBOX}": {{"status": "REVOKED", "status": "VALID"}}}}',
        {KEYBOX: "REVOKED"},
        0,
    ),
    "members and statuses of tomorrow": (
        f'{{"{KEYBOX}": {{"status": "QUARANTINED", "expires": "2020-11-13", "scope": [1, {{"a": null}}]}}}}',
        {KEYBOX: "QUARANTINED"},
        0,
    ),
    "a name that is no serial among others": (
        f'{{"{KEYBOX}": {{"status": "REVOKED"}}, "Keybox-7": {{"status": "REVOKED"}}}}',
        {KEYBOX: "REVOKED", "keybox-7": "REVOKED"},
        1,
    ),
    "nothing revoked": ("{}", {}, 0),
}


@pytest.mark.parametrize("shape", MINTED)
def test_list_in_googles_shapes_is_read_as_decided(shape: str) -> None:
    """Any entry means revoked, the stricter of two counts, and one spelling is kept."""
    text, entries, unread = MINTED[shape]
    document = f'{{"version": 3, "entries": {text}}}'.encode()
    for data in (document, b"\xef\xbb\xbf" + document, b"\n" + document + b"\n"):
        status_list = parse_status_list(data, fetched_at=NOW)
        assert (dict(status_list.entries), status_list.unread) == (entries, unread)


def test_entries_in_two_members_are_one_list() -> None:
    """An operator who merged two files by hand meant both."""
    data = b'{"entries": {"a1": {"status": "REVOKED"}}, "entries": {"a2": {"status": "REVOKED"}}}'
    assert parse_status_list(data, fetched_at=0).entries == {"a1": "REVOKED", "a2": "REVOKED"}


SERIALS = st.integers(min_value=1, max_value=2**160)
SPELLINGS = st.sampled_from([str.lower, str.upper, lambda text: f"00{text}", lambda text: f"0x{text}", str.strip])


@given(st.lists(st.tuples(SERIALS, SPELLINGS, st.sampled_from(["REVOKED", "SUSPENDED", "", "X"])), max_size=20))
def test_no_spelling_or_repetition_loses_a_serial(listed: list[tuple[int, object, str]]) -> None:
    """Whatever else the list holds, a serial in it is found."""
    members = ", ".join(
        f"{json.dumps(spell(f'{serial:x}'))}: {json.dumps({'status': status})}"  # type: ignore[operator]
        for serial, spell, status in listed
    )
    status_list = parse_status_list(f'{{"entries": {{{members}}}}}'.encode(), fetched_at=0)
    assert status_list.unread == 0
    assert all(status_list.status_of(serial) for serial, _, _ in listed)
    assert len(status_list.entries) == len({serial for serial, _, _ in listed})


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("spell", [str, str.upper, lambda name: name.lstrip("0")])
def test_subjects_serial_number_on_the_list_is_refused(index: int, spell: object) -> None:
    """A keybox is named by its subject, whatever certificate it got: looked up at enrolment and at every renewal."""
    claims = Question.of(Scene.default("pixel-5").draft.chain()).ask()
    assert claims.android is not None
    name = claims.android.chain_names[index - 1]
    listed = parse_status_list(
        json.dumps({"entries": {spell(name): {"status": "REVOKED"}}}).encode(),  # type: ignore[operator]
        fetched_at=NOW,
    )
    endorsements = ENDORSEMENTS.with_android_status(listed)
    with pytest.raises(RejectedEvidence) as refusal:
        Question.of(Scene.default("pixel-5").draft.chain(), endorsements=endorsements).ask()
    assert refusal.value.reason is Reason.CERTIFICATE_REVOKED
    assert f"certificate {index}, subject {name}" in refusal.value.detail
    with pytest.raises(RejectedEvidence) as later:
        reverify(claims, reference_values=REFERENCE_VALUES, endorsements=endorsements)
    assert later.value.reason is Reason.CERTIFICATE_REVOKED


def test_serial_in_decimal_on_the_list_is_refused() -> None:
    """As peers look it up."""
    serial = AUTHORITY.android.rkp_line(now=NOW).batch.template.serial
    listed = parse_status_list(json.dumps({"entries": {str(serial): {"status": "REVOKED"}}}).encode(), fetched_at=NOW)
    with pytest.raises(RejectedEvidence) as refusal:
        Question.of(Scene.default().draft.chain(), endorsements=ENDORSEMENTS.with_android_status(listed)).ask()
    assert refusal.value.reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("name", ["1", "google llc", "droid ca2", "tee", "strongbox"])
def test_short_or_other_names_on_the_list_hit_no_device(name: str) -> None:
    """Only long serial numbers are looked up beside the hexadecimal one: no word in a name revokes a fleet."""
    for release in ("pixel-5", "galaxy-s24"):
        endorsements = ENDORSEMENTS.with_android_status(StatusList({name: "REVOKED"}, NOW))
        assert Question.of(Scene.default(release).draft.chain(), endorsements=endorsements).ask()
