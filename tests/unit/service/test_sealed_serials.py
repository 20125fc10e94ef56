"""Serials of certificates in rows of keys: unreadable without the key, equal to themselves, and looked up as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation.claims import AndroidClaims
from hypothesis import given
from hypothesis import strategies as st
from service.aws import from_item
from service.errors import Unreadable
from service.fallback_modes import KeyRows
from service.items.packed_record import unpack
from service.items.sealed_serials import Serials, open_serials, seal_serials
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey

from tests.minted_claims import changed_claims
from tests.real_keys import real_keys

KEY, OTHER = bytes(32), bytes(31) + b"\1"
SERIALS = st.lists(st.from_regex("[0-9a-f]{1,40}", fullmatch=True), max_size=5).map(tuple)
NAMES = st.lists(st.text(max_size=50), max_size=5).map(tuple)
SEALING = DynamoDBAttestedKeys(None, "keys", serials_key=lambda: KEY)  # type: ignore[arg-type]  # nothing is sent


@given(SERIALS, NAMES)
def test_what_was_sealed_comes_back(serials: tuple[str, ...], names: tuple[str, ...]) -> None:
    """To the letter: leading zeros, odd numbers of digits, and names of any text."""
    sealed = seal_serials(Serials(serials, names), key=KEY, key_id="k")
    assert sealed is not None
    assert open_serials(sealed, key=KEY, key_id="k") == (serials, names)


def test_equal_serials_of_two_keys_are_not_equal() -> None:
    found = Serials(("1a2b", "3c"), ("f92009e853b6b045",))
    one, again, other = (seal_serials(found, key=KEY, key_id=key_id) for key_id in ("one", "one", "other"))

    assert one == again != other
    assert one is not None
    assert other is not None
    assert len(one) == len(other)
    assert b"\x1a\x2b" not in one


@given(st.binary(max_size=100))
def test_other_bytes_are_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        open_serials(data, key=KEY, key_id="k")


@pytest.mark.parametrize(("key", "key_id"), [(OTHER, "k"), (KEY, "another")])
def test_another_key_opens_nothing(key: bytes, key_id: str) -> None:
    sealed = seal_serials(Serials(("1a",), ()), key=KEY, key_id="k")
    assert sealed is not None
    with pytest.raises(Unreadable):
        open_serials(sealed, key=key, key_id=key_id)


def test_what_has_no_room_is_not_sealed() -> None:
    assert seal_serials(Serials((), ("x" * 300,)), key=KEY, key_id="k") is None
    assert seal_serials(Serials(("1",) * 300, ()), key=KEY, key_id="k") is None


@pytest.fixture
def phone() -> EnrolledKey:
    """A real phone's key, whose row names certificates."""
    return next(key for key in real_keys("android").values() if key.claims.android and key.claims.android.chain_serials)


def row_of(keys: DynamoDBAttestedKeys, key: EnrolledKey) -> dict[str, Any]:
    item: Any = keys.enrolling(key)["Put"]["Item"]
    return from_item(item)


def android_of(key: EnrolledKey | None) -> AndroidClaims:
    assert key is not None
    assert key.claims.android is not None
    return key.claims.android


def test_a_row_names_no_certificate(phone: EnrolledKey) -> None:
    row = row_of(SEALING, phone)
    written = unpack(row["claims"])["android"]

    assert "chain_serials" not in written
    assert "chain_names" not in written
    assert android_of(SEALING.read(row)) == android_of(phone)


def test_a_function_without_the_key_reads_the_rest(phone: EnrolledKey) -> None:
    row = row_of(SEALING, phone)
    read = android_of(replace(SEALING, serials_key=None).read(row))

    assert (read.chain_serials, read.chain_names) == ((), ())
    assert read == replace(android_of(phone), chain_serials=(), chain_names=())


@pytest.mark.parametrize("key", [None, OTHER])
def test_a_row_whose_serials_do_not_open_is_not_read_without_them(phone: EnrolledKey, key: bytes | None) -> None:
    """The attack: a key that was lost, and with it every revocation."""
    row = row_of(SEALING, phone)
    with pytest.raises(Unreadable):
        replace(SEALING, serials_key=lambda: key).read(row)


def test_a_stack_without_the_key_yet_writes_as_before_and_a_renewal_seals(phone: EnrolledKey) -> None:
    row = row_of(replace(SEALING, serials_key=lambda: None), phone)
    assert "chain" not in row
    read = SEALING.read(row)
    assert read is not None
    update: Any = SEALING.renewing(read)["Update"]
    values, names = from_item(update["ExpressionAttributeValues"]), update["ExpressionAttributeNames"]

    assert names["#chain"] == "chain"
    assert "#chain = :chain" in update["UpdateExpression"]
    assert values[":chain"] == row_of(SEALING, phone)["chain"]
    assert "chain_serials" not in unpack(values[":claims"])["android"]


def test_rows_that_older_code_reads_are_as_it_reads_them(phone: EnrolledKey) -> None:
    row = row_of(replace(SEALING, rows=KeyRows.TEXT), phone)

    assert "chain" not in row
    assert android_of(SEALING.read(row)) == android_of(phone)


def test_a_key_of_another_platform_has_none() -> None:
    phone = next(iter(real_keys("apple").values()))
    row = row_of(SEALING, replace(phone, claims=changed_claims(phone.claims)))

    assert "chain" not in row
    assert "#chain" not in str(SEALING.renewing(phone))
