"""DER and BER readers: what is well formed is read, everything else is refused as malformed."""

from __future__ import annotations

import pytest
from attestation.encoding import der
from attestation.errors import MalformedEvidence, Reason

from devkit.devices.authority.der_writer import (
    explicit,
    indefinite,
    integer,
    object_identifier,
    octet_string,
    octet_string_in_segments,
    sequence,
    tlv,
)


def test_elements_of_a_run_are_read_in_order() -> None:
    """Tag, content and whole element, one after the other."""
    reader = der.Reader(integer(5) + octet_string(b"abc"))
    assert reader.next() == (der.INTEGER, b"\x05", b"\x02\x01\x05")
    assert reader.expect(der.OCTET_STRING).value == b"abc"
    assert reader.at_end
    reader.finish()


@pytest.mark.parametrize("number", [0, 30, 31, 127, 128, 704, 1204, 16_383, 16_384])
def test_context_tags_of_any_size_are_written_and_read_alike(number: int) -> None:
    """A tag is the integer of its identifier octets, whatever their count."""
    element = der.Reader(explicit(number, integer(1))).next()
    assert element.tag == der.context(number)
    assert der.context_number(element.tag) == number


def test_tags_of_other_classes_have_no_context_number() -> None:
    """SEQUENCE, a primitive context tag and an application tag are none of ours."""
    assert [der.context_number(tag) for tag in (der.SEQUENCE, 0x80, 0x65)] == [None, None, None]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x01",
        b"\x30\x80\x00\x00",
        b"\x04\x81\x05abcde",
        b"\x04\x82\x00\x80" + bytes(128),
        b"\x04\x85\x00\x00\x00\x00\x01a",
        b"\x04\x84\xff\xff\xff\xffabc",
        b"\x04\x83\x01",
        b"\x00\x00",
        b"\x1f",
        b"\x1f\x02\x00",
        b"\xbf\x80\x85\x34\x00",
        b"\x1f\x02\x05\x00",
        b"\xbf\x85",
        b"\xbf\x85\x34",
        b"\x04\x82\x01",
        b"\xbf\xff\xff\xff\xff\x7f\x00",
    ],
)
def test_malformed_der_is_refused(data: bytes) -> None:
    """Cut off, overrun, indefinite, not minimal, end-of-contents, tags too long or not in minimal form."""
    with pytest.raises(MalformedEvidence) as refusal:
        der.Reader(data).next()
    assert refusal.value.reason is Reason.ENCODING_INVALID
    if data:
        with pytest.raises(MalformedEvidence):
            der.elements(data, 0, len(data))
        with pytest.raises(MalformedEvidence):
            der.header(data, 0, len(data))
        with pytest.raises(MalformedEvidence):
            der.explicit_elements(data, 0, len(data))


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 255, 256, 65_535, 65_536])
def test_every_reader_agrees_on_lengths(length: int) -> None:
    """One octet of length up to 127, more from 128 on; what stands behind is another element."""
    data = octet_string(bytes(length)) + integer(1)
    stop = len(data) - 3
    assert [element.value for element in der.Reader(data)] == [bytes(length), b"\x01"]
    assert der.elements(data, 0, len(data)) == [
        (der.OCTET_STRING, stop - length, stop),
        (der.INTEGER, stop + 2, stop + 3),
    ]
    wrapped = explicit(3, octet_string(bytes(length))) + explicit(704, octet_string(bytes(length)))
    found = der.explicit_elements(wrapped, 0, len(wrapped))
    assert [(number, tag, last - first) for number, tag, first, last in found] == [
        (3, der.OCTET_STRING, length),
        (704, der.OCTET_STRING, length),
    ]


def test_unexpected_tag_is_a_fault_of_structure() -> None:
    """Well formed, but not what belongs there."""
    with pytest.raises(MalformedEvidence) as refusal:
        der.Reader(integer(1)).expect(der.SEQUENCE)
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_octets_behind_the_last_element_are_refused() -> None:
    """`single` and `finish` leave no room for smuggled bytes."""
    with pytest.raises(MalformedEvidence, match=r"^encoding-invalid: 2 unexpected octet\(s\)"):
        der.single(integer(1) + b"\x05\x00", der.INTEGER)


def test_optional_element_is_read_only_when_it_is_there() -> None:
    """Absence consumes nothing."""
    reader = der.Reader(integer(1))
    assert reader.optional(der.BOOLEAN) is None
    assert reader.optional(der.INTEGER) is not None
    assert reader.optional(der.INTEGER) is None


def test_element_inside_may_not_overrun_its_parent() -> None:
    """A child's length is checked against the parent, not against the whole input."""
    inner = b"\x04\x05ab"
    with pytest.raises(MalformedEvidence):
        list(der.Reader(der.single(tlv(0x30, inner) + b"", der.SEQUENCE)))


@pytest.mark.parametrize(("value", "number"), [(b"\x00", 0), (b"\x7f", 127), (b"\x00\x80", 128), (b"\xff", -1)])
def test_integers_are_signed(value: bytes, number: int) -> None:
    """Two's complement, most significant octet first."""
    assert der.integer(value) == number


@pytest.mark.parametrize("value", [b"", b"\x00\x01", b"\xff\x80", bytes(9)])
def test_integers_that_are_empty_padded_or_too_large_are_refused(value: bytes) -> None:
    """Minimal form and a bound on the size."""
    with pytest.raises(MalformedEvidence):
        der.integer(value)


def test_integer_of_eight_octets_is_the_longest() -> None:
    """Of its own, and in place."""
    data = b"\x7f" + bytes(7)
    assert der.integer(data) == der.integer_at(data, 0, 8) == 0x7F << 56
    with pytest.raises(MalformedEvidence):
        der.integer_at(data + b"\x00", 0, 9)


def test_padded_integer_is_read_where_that_is_asked_for() -> None:
    """Serial numbers of old devices."""
    assert der.integer(b"\x00\x01", strict=False) == 1


def test_boolean_true_as_01_is_read_only_leniently() -> None:
    """DER says FF; some KeyMint releases write 01."""
    assert der.boolean(b"\x01", strict=False) is True
    assert der.boolean(b"\xff") is True
    assert der.boolean(b"\x00") is False
    for value in (b"\x01", b"", b"\xff\xff"):
        with pytest.raises(MalformedEvidence):
            der.boolean(value)


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113635.100.8.2", "2.5.29.15", "0.9.2342", "2.999.3", "1.3.6.1.4.1.11129.2"]
)
def test_object_identifiers_are_read_as_written(dotted: str) -> None:
    """First two arcs in one, base 128 after them, also above 2.47."""
    assert der.object_identifier(object_identifier(dotted)[2:]) == dotted


@pytest.mark.parametrize("value", [b"", b"\x80\x01", b"\x2a\x80\x01", b"\x2a\x86", bytes(65)])
def test_malformed_object_identifiers_are_refused(value: bytes) -> None:
    """Empty, padded, cut off, endless."""
    with pytest.raises(MalformedEvidence):
        der.object_identifier(value)


def test_named_bits_are_left_aligned() -> None:
    """Bit 0 of the type is the most significant one."""
    assert der.named_bits(b"\x07\x80") == 0x8000
    assert der.named_bits(b"\x01\x06") == 0x0600
    assert der.named_bits(b"\x00") == 0
    for value in (b"", b"\x08\x80", b"\x01", bytes(5)):
        with pytest.raises(MalformedEvidence):
            der.named_bits(value)


def test_bit_string_with_unused_bits_is_no_signature() -> None:
    """Signatures are whole octets; unused bits would be room for a second spelling."""
    assert der.bit_string(b"\x00ab") == b"ab"
    for value in (b"", b"\x01ab"):
        with pytest.raises(MalformedEvidence):
            der.bit_string(value)


def test_explicit_elements_need_exactly_one_element_each() -> None:
    """[n] EXPLICIT holds one element; with `wanted` the others are passed over unread."""
    data = explicit(1, integer(7)) + explicit(704, octet_string(b"x")) + explicit(20_000, integer(9))
    found = der.explicit_elements(data, 0, len(data))
    assert [(number, tag, data[start:stop]) for number, tag, start, stop in found] == [
        (1, der.INTEGER, b"\x07"),
        (704, der.OCTET_STRING, b"x"),
        (20_000, der.INTEGER, b"\x09"),
    ]
    broken = explicit(1, integer(1), integer(2)) + explicit(2, integer(3))
    with pytest.raises(MalformedEvidence):
        der.explicit_elements(broken, 0, len(broken))
    assert [item[0] for item in der.explicit_elements(broken, 0, len(broken), frozenset({2}))] == [2]


@pytest.mark.parametrize("inside", [b"", b"\x04", b"\x04\x80" + bytes(128), b"\x00\x00", integer(1) * 2])
@pytest.mark.parametrize("number", [1, 704, 20_000])
def test_explicit_tag_around_anything_else_than_one_element_is_refused(number: int, inside: bytes) -> None:
    """Nothing, a cut element, one of indefinite length, an end-of-contents, two."""
    data = explicit(number, inside) + explicit(number, integer(1))
    with pytest.raises(MalformedEvidence):
        der.explicit_elements(data, 0, len(data))


@pytest.mark.parametrize("data", [sequence(integer(1)), integer(1), b"\x81\x01\x00", tlv(0x61, integer(1))])
def test_run_of_explicit_tags_holds_nothing_else(data: bytes) -> None:
    """Another class, or a primitive."""
    with pytest.raises(MalformedEvidence) as refusal:
        der.explicit_elements(data, 0, len(data))
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_long_tag_inside_an_explicit_one_is_read_whole() -> None:
    """A second octet of the tag that could as well be a length."""
    data = explicit(1, explicit(64, bytes(63)))
    ((number, tag, start, stop),) = der.explicit_elements(data, 0, len(data))
    assert (number, tag, data[start:stop]) == (1, der.context(64), bytes(63))


def test_explicit_elements_that_are_not_known_are_reported_whole() -> None:
    """Whatever they hold; and the run goes on behind them."""
    data = explicit(5, b"anything") + explicit(1, integer(7))
    found = der.explicit_elements(data, 0, len(data), known={1})
    assert [(number, tag, data[start:stop]) for number, tag, start, stop in found] == [
        (5, 0, b"anything"),
        (1, der.INTEGER, b"\x07"),
    ]


def test_ber_reads_indefinite_and_long_lengths() -> None:
    """The content ends before the end-of-contents octets, the element after them."""
    inner = indefinite(0x30, integer(1), indefinite(0xA0, octet_string(b"abc")))
    reader = der.BerReader(inner + b"\x02\x81\x01\x05")
    element = reader.next()
    assert (element.tag, element.raw) == (der.SEQUENCE, inner)
    assert [child.tag for child in der.BerReader(element.value)] == [der.INTEGER, 0xA0]
    assert reader.next().value == b"\x05"
    reader.finish()


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80",
        b"\x30\x80\x00",
        b"\x30\x80" + integer(1),
        b"\x04\x80abc\x00\x00",
        b"\x30\x80\x04\x80\x00\x00\x00\x00",
        b"\x30\x80" * 40 + b"\x00\x00" * 40,
        b"\x30\x80\x04\x7fab\x00\x00",
        b"\x04\x85\x00\x00\x00\x00\x01a",
        b"\x04\x83\x01",
    ],
)
def test_malformed_ber_is_refused(data: bytes) -> None:
    """No end, a primitive of indefinite length, nested without bound, a child that overruns, endless or cut lengths."""
    with pytest.raises(MalformedEvidence):
        der.BerReader(data).next()


def test_ber_octet_string_in_pieces_is_put_together() -> None:
    """Apple cuts receipts every 1000 octets; the signature covers the octets, not the cuts."""
    data = bytes(range(256)) * 9
    for encoded in (octet_string(data), octet_string_in_segments(data, 1000), tlv(0x24, octet_string(data))):
        assert der.ber_octet_string(der.BerReader(encoded).next()) == data


@pytest.mark.parametrize(
    "encoded", [integer(1), sequence(octet_string(b"a")), tlv(0x24, integer(1)), b"\x24\x04\x24\x02\x04\x00"]
)
def test_ber_octet_string_of_other_pieces_is_refused(encoded: bytes) -> None:
    """Only octet strings, one level deep."""
    with pytest.raises(MalformedEvidence):
        der.ber_octet_string(der.BerReader(encoded).next())


def test_text_must_be_utf8() -> None:
    """No replacement characters: what is not text is refused."""
    assert der.text("größe".encode()) == "größe"
    with pytest.raises(MalformedEvidence):
        der.text(b"\xff")
