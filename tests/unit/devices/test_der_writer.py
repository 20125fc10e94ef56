"""What the DER writer writes, checked against pyca's own DER codec and against bytes worked out by hand."""

from __future__ import annotations

import pytest
from cryptography.hazmat import asn1

from devkit.devices.authority import der_writer as der


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, -1, -128, -129, 2**63, 0xFFFFFFFF])
def test_integer_is_written_as_pyca_writes_it(value: int) -> None:
    """INTEGER takes the fewest octets of two's complement (X.690 §8.3)."""
    assert der.integer(value) == asn1.encode_der(value)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_length_takes_its_shortest_form(size: int) -> None:
    """Definite lengths are minimal (X.690 §10.1)."""
    assert der.octet_string(bytes(size)) == asn1.encode_der(bytes(size))


def test_context_tag_over_thirty_takes_the_long_form() -> None:
    """[1204] EXPLICIT is BF 89 34, as in genuine certificates."""
    assert der.explicit(1204, der.integer(1)).hex() == "bf893403020101"
    assert der.explicit(4, der.integer(10)).hex() == "a40302010a"


def test_object_identifier_with_large_arcs() -> None:
    """Apple's own arc, as every genuine certificate spells it."""
    assert der.object_identifier("1.2.840.113635.100.8.2").hex() == "06092a864886f763640802"


def test_octet_string_in_segments_carries_the_bytes_in_order() -> None:
    """Segments of the size given, the rest last, closed by end-of-contents."""
    encoded = der.octet_string_in_segments(b"a" * 5 + b"b" * 3, 5)
    assert encoded == b"\x24\x80" + b"\x04\x05aaaaa" + b"\x04\x03bbb" + b"\x00\x00"


@pytest.mark.parametrize(("moment", "text"), [(0, b"\x17\x0d700101000000Z"), (2524608000, b"\x18\x0f20500101000000Z")])
def test_time_changes_form_in_2050(moment: float, text: bytes) -> None:
    """UTCTime up to 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5)."""
    assert der.time(moment) == text


def test_utf8_and_boolean_match_pyca() -> None:
    """Simple types agree with an independent encoder."""
    assert der.utf8_string("é") == asn1.encode_der("é")
    assert der.boolean(True) == asn1.encode_der(True)
