"""CBOR as evidence may use it: one item, definite, unique keys, no tags, nothing behind it."""

from __future__ import annotations

import cbor2
import pytest
from attestation.encoding.cbor import decode, decode_prefix, exact_map
from attestation.errors import MalformedEvidence, Reason

_KNOWN_TAGS = [*range(6), *range(21, 40), 52, 54, 100, 256, 258, 260, 261, 1004, 43_000, 55_799]


@pytest.mark.parametrize("value", [0, -7, 2**64 - 1, b"ab", "größe", [1, [2]], {"a": {"b": b"c"}}, True, None])
def test_plain_values_are_decoded(value: object) -> None:
    """What is encoded in the usual way comes back."""
    assert decode(cbor2.dumps(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xa1\x61",
        b"\xa0\x00",
        b"\xbf\xff",
        b"\x5f\x41\x61\xff",
        b"\x9f\xff",
        b"\xa2\x61\x61\x01\x61\x61\x02",
        b"\x81" * 5 + b"\x00",
        b"\x81" * 100_000,
        b"\x9b\x00\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x61\xff",
        b"\xff",
        b"\x1c",
        b"\xa1\x01\x02",
        b"\xa1\x80\x02",
    ],
)
def test_what_a_strict_decoder_refuses_is_refused(data: bytes) -> None:
    """Cut off, trailing bytes, indefinite, repeated keys, deep, endless, not UTF-8, keys that are no text."""
    with pytest.raises(MalformedEvidence) as refusal:
        decode(data)
    assert refusal.value.reason is Reason.ENCODING_INVALID


def test_four_levels_are_deep_enough() -> None:
    """An attestation object has three."""
    assert decode(b"\x81" * 4 + b"\x00") == [[[[0]]]]


def test_octets_behind_an_item_are_counted() -> None:
    """For the operator who looks for the fault."""
    with pytest.raises(MalformedEvidence, match=r"^encoding-invalid: 2 octet\(s\) behind"):
        decode(b"\x83\x01\x02\x03\x00\x00")


@pytest.mark.parametrize("tag", [*_KNOWN_TAGS, 9_999_999])
@pytest.mark.parametrize("body", [b"\x00", b"\x41\x01", b"\x61\x61", b"\x82\x01\x02", b"\xa0"])
def test_every_tag_is_refused_unread(tag: int, body: bytes) -> None:
    """Dates, bignums, regular expressions, mail, shared references: a decoder's playground, none of evidence's."""
    head = cbor2.dumps(cbor2.CBORTag(tag, 0))[:-1]
    with pytest.raises(MalformedEvidence):
        decode(head + body)
    with pytest.raises(MalformedEvidence):
        decode(b"\x81" + head + body, text_keys=False)


def test_bigfloat_of_two_gigabytes_costs_nothing() -> None:
    """Tag 5 with exponent 2³¹: 1 << 2147483648 if anyone evaluated it."""
    with pytest.raises(MalformedEvidence):
        decode(b"\xc5\x82\x1a\x7f\xff\xff\xff\x01")


def test_prefix_tells_how_much_was_read() -> None:
    """Authenticator data holds two items one behind the other."""
    data = cbor2.dumps({1: 2, -1: b"x"}) + cbor2.dumps({"a": 1})
    item, length = decode_prefix(data, text_keys=False)
    assert item == {1: 2, -1: b"x"}
    assert decode(data[length:]) == {"a": 1}


def test_exact_map_returns_values_in_the_order_asked() -> None:
    """All keys, no other, each of exactly its type."""
    assert exact_map({"b": b"x", "a": "y"}, a=str, b=bytes) == ["y", b"x"]


@pytest.mark.parametrize(
    "item",
    [None, [], {}, {"a": 1}, {"a": 1, "b": b"", "c": 0}, {"a": True, "b": b""}, {"a": 1, "b": ""}, {1: 1, "b": b""}],
)
def test_exact_map_refuses_any_other_shape(item: object) -> None:
    """Missing, extra, mistyped; True is no integer."""
    with pytest.raises(MalformedEvidence) as refusal:
        exact_map(item, a=int, b=bytes)
    assert refusal.value.reason is Reason.STRUCTURE_INVALID
