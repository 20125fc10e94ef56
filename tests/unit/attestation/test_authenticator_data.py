"""Authenticator data in both shapes, with App Attest's habits."""

from __future__ import annotations

import cbor2
import pytest
from attestation.apple.authenticator_data import (
    CATEGORY_UNREAD,
    DATA_UNREAD,
    read_assertion_data,
    read_attestation_data,
)
from attestation.errors import AttestationError, MalformedEvidence, Reason

HASH, AAGUID, CREDENTIAL_ID = b"\x11" * 32, b"appattestdevelop", b"\x22" * 32
X, Y = b"\x33" * 32, b"\x44" * 32
COSE = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: X, -3: Y})


def attested(
    *, flags: int = 0x40, id_length: int = 32, cose: bytes = COSE, tail: bytes = b"", counter: int = 0
) -> bytes:
    head = HASH + bytes([flags]) + counter.to_bytes(4)
    return head + AAGUID + id_length.to_bytes(2) + CREDENTIAL_ID + cose + tail


def asserted(*, flags: int = 0x40, tail: bytes = b"", counter: int = 1) -> bytes:
    return HASH + bytes([flags]) + counter.to_bytes(4) + tail


def refusal_of(data: bytes, *, assertion: bool = False) -> AttestationError:
    with pytest.raises(AttestationError) as refusal:
        (read_assertion_data if assertion else read_attestation_data)(data)
    return refusal.value


def test_attested_credential_is_taken_apart() -> None:
    """The usual 164 bytes: every field where it belongs, no extensions."""
    data = read_attestation_data(attested())
    assert len(attested()) == 164
    assert (data.rp_id_hash, data.flags, data.counter) == (HASH, 0x40, 0)
    assert data.credential is not None
    assert (data.credential.aaguid, data.credential.credential_id) == (AAGUID, CREDENTIAL_ID)
    assert data.credential.public_key == b"\x04" + X + Y
    assert (data.extensions, data.validation_category, data.bundle_version) == (None, None, None)


@pytest.mark.parametrize("flags", [0x40, 0xC0])
@pytest.mark.parametrize("value", [b"\x04\x00\x00\x00", 4])
def test_extension_map_is_read_with_and_without_its_flag(flags: int, value: object) -> None:
    """iOS 27 appends the map with ED clear; four little-endian bytes and a plain integer say the same."""
    tail = cbor2.dumps({"apple_validation_category_01": value, "apple_bundle_version_01": "7.1"})
    for data in (
        read_attestation_data(attested(flags=flags, tail=tail)),
        read_assertion_data(asserted(flags=flags, tail=tail)),
    ):
        assert (data.validation_category, data.bundle_version) == (4, "7.1")


def test_unknown_extensions_are_kept_and_harmless() -> None:
    """A later release may add one: it must not lock devices out."""
    data = read_attestation_data(attested(tail=cbor2.dumps({"apple_something_02": [1, b"x"]})))
    assert data.extensions == {"apple_something_02": [1, b"x"]}
    assert data.validation_category is None


def test_empty_extension_map_is_not_the_same_as_none() -> None:
    """Absent and empty are told apart, for policy."""
    assert read_assertion_data(asserted(tail=b"\xa0")).extensions == {}


@pytest.mark.parametrize("category", [1, 2, 3, 4, 5, 6, 10, 0, 7, 99, 2**32 - 1])
def test_every_category_is_read(category: int) -> None:
    """Documented or to come: whether it is welcome is policy's business."""
    tail = cbor2.dumps({"apple_validation_category_01": category.to_bytes(4, "little")})
    assert read_assertion_data(asserted(tail=tail)).validation_category == category


@pytest.mark.parametrize(
    "value",
    [
        -1,
        2**32,
        2**64 + 4,
        True,
        None,
        "4",
        b"",
        b"\x04",
        b"\x04\x00\x00\x00\x00",
        (4).to_bytes(8, "little"),
        4.0,
        [4],
        {"value": 4},
        cbor2.CBORTag(24, b"\x04"),
        cbor2.CBORTag(35, "(a+)+$"),
    ],
)
def test_category_in_a_new_form_is_a_finding(value: object) -> None:
    """Apple may change its form with any release. It is not guessed at: absent, and policy is told."""
    data = read_assertion_data(asserted(tail=cbor2.dumps({"apple_validation_category_01": value})))
    assert (data.validation_category, data.findings) == (None, (CATEGORY_UNREAD,))


@pytest.mark.parametrize("value", [1, b"1", None, "1" * 129, cbor2.CBORTag(1, 0)])
def test_bundle_version_in_a_new_form_is_a_finding(value: object) -> None:
    """What ends up in claims and records is a short text or nothing."""
    data = read_assertion_data(asserted(tail=cbor2.dumps({"apple_bundle_version_01": value})))
    assert (data.bundle_version, data.findings) == (None, (DATA_UNREAD,))


@pytest.mark.parametrize("name", [5, b"apple_validation_category_01", -7, "apple_validation_category_02"])
def test_extension_of_another_name_is_no_finding(name: object) -> None:
    """Unknown extensions are Apple's to add, whatever names them."""
    data = read_assertion_data(asserted(tail=cbor2.dumps({name: 4})))
    assert (data.validation_category, data.findings) == (None, ())
    assert data.extensions == ({name: 4} if isinstance(name, str) else {})


@pytest.mark.parametrize("count", [1, 10, 3000])
def test_tags_within_tags_are_read_or_refused(count: int) -> None:
    """A device of the attacker's sends 4 KB of them: nothing but our own error may come of it."""
    tail = b"\xa1\x61a" + b"\xc1" * count + b"\x00"
    if count < 100:
        assert read_assertion_data(asserted(tail=tail)).findings == ()
    else:
        assert refusal_of(asserted(tail=tail), assertion=True).reason is Reason.ENCODING_INVALID


def test_assertion_needs_no_attested_data_in_spite_of_its_flag() -> None:
    """37 bytes with AT set: a generic WebAuthn reader fails here."""
    data = read_assertion_data(asserted(counter=2**32 - 1))
    assert (data.credential, data.counter) == (None, 2**32 - 1)


@pytest.mark.parametrize("flags", [0x00, 0x80])
def test_attestation_without_the_attested_flag_is_refused(flags: int) -> None:
    """An attestation always sets AT."""
    assert refusal_of(attested(flags=flags, tail=b"\xa0")).reason is Reason.FLAGS_INVALID


@pytest.mark.parametrize("flags", [0x41, 0x44, 0x48, 0x50, 0x60])
def test_flags_that_no_device_sets_are_a_finding(flags: int) -> None:
    """User presence and reserved bits mean nothing here, until a release of Apple's sets one."""
    assert read_attestation_data(attested(flags=flags)).findings == (DATA_UNREAD,)
    assert read_assertion_data(asserted(flags=flags)).findings == (DATA_UNREAD,)


def test_extension_flag_without_a_map_is_refused() -> None:
    """ED promises a map: without one the data was cut off."""
    assert refusal_of(attested(flags=0xC0)).reason is Reason.FLAGS_INVALID
    assert refusal_of(asserted(flags=0xC0), assertion=True).reason is Reason.FLAGS_INVALID


@pytest.mark.parametrize(
    "cose",
    [
        {1: 2, 3: -7, -1: 1, -2: X},
        {1: 2, 3: -7, -1: 1, -2: X, -3: Y, 4: 1},
        {1: 3, 3: -7, -1: 1, -2: X, -3: Y},
        {1: 2, 3: -257, -1: 1, -2: X, -3: Y},
        {1: 2, 3: -7, -1: 2, -2: X, -3: Y},
        {1: 2, 3: -7, -1: 1, -2: X, -3: True},
        {1: 2, 3: -7, -1: 1, -2: X[:31], -3: Y},
        {1: 2, 3: -7, -1: 1, -2: X, -3: Y + b"\xa0"},
        {True: 2, 3: -7, -1: 1, -2: X, -3: Y},
        [1, 2],
        "key",
    ],
)
def test_any_other_credential_key_is_refused(cose: object) -> None:
    """EC2, ES256, P-256, both coordinates, nothing else."""
    assert refusal_of(attested(cose=cbor2.dumps(cose))).reason is Reason.KEY_UNREADABLE


@pytest.mark.parametrize("at", range(5))
def test_credential_key_in_another_order_is_the_same_key(at: int) -> None:
    """A relay of an attestation can respell it; the usual spelling only needs no decoder."""
    members = list({1: 2, 3: -7, -1: 1, -2: X, -3: Y}.items())
    respelled = cbor2.dumps(dict([*members[at:], *members[:at]]))
    data = read_attestation_data(attested(cose=respelled, tail=b"\xa0"))
    assert data.credential is not None
    assert (data.credential.public_key, data.extensions) == (b"\x04" + X + Y, {})


def test_authenticator_data_has_at_most_four_kilobytes() -> None:
    """A bound on what the decoder is given."""
    room = 4096 - len(attested(tail=cbor2.dumps({"a": bytes(1000)}))) + 1000
    longest = attested(tail=cbor2.dumps({"a": bytes(room)}))
    assert len(longest) == 4096
    assert read_attestation_data(longest).extensions == {"a": bytes(room)}
    assert refusal_of(attested(tail=cbor2.dumps({"a": bytes(room + 1)}))).reason is Reason.EVIDENCE_TOO_LARGE


@pytest.mark.parametrize("length", [0, 16, 31, 33, 65_535])
def test_credential_id_of_another_length_is_refused(length: int) -> None:
    """A key id has 32 bytes; a length field must not move what follows it."""
    assert refusal_of(attested(id_length=length)).reason is Reason.STRUCTURE_INVALID


def test_every_truncation_is_refused() -> None:
    """No length is assumed: each cut is noticed."""
    tail = cbor2.dumps({"apple_bundle_version_01": "1"})
    whole = attested(tail=tail)
    for end in set(range(len(whole))) - {164}:  # 164: complete, without extensions
        assert isinstance(refusal_of(whole[:end]), MalformedEvidence)
    for end in set(range(37 + len(tail))) - {37}:
        assert isinstance(refusal_of(asserted(tail=tail)[:end], assertion=True), MalformedEvidence)


@pytest.mark.parametrize("tail", [b"\x00", b"\xa0\xa0", b"\x80", b"\xc1\xa0", b"\xbf\xff", bytes(5_000)])
def test_tail_that_is_not_one_map_is_refused(tail: bytes) -> None:
    """Exactly one CBOR map with text keys, or nothing."""
    refusal_of(attested(tail=tail))
    refusal_of(asserted(tail=tail), assertion=True)
