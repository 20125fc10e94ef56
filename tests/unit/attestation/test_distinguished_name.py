"""Names: shown to people, compared as RFC 5280 asks."""

from __future__ import annotations

import pytest
from attestation.encoding.names import attributes, name_text, names_match
from attestation.errors import MalformedEvidence

from devkit.devices.authority.certificate_template import name
from devkit.devices.authority.der_writer import integer, object_identifier, octet_string, sequence, set_of, tlv

CN, O_ = object_identifier("2.5.4.3"), object_identifier("2.5.4.10")


def _name(*pairs: tuple[bytes, bytes]) -> bytes:
    return sequence(*(set_of(sequence(oid, value)) for oid, value in pairs))


def test_name_is_shown_on_one_line_in_its_order() -> None:
    """Labels where there are any, OIDs where not, hex for what is no text."""
    data = _name((CN, tlv(0x0C, b"Device CA")), (object_identifier("1.2.3"), octet_string(b"\x01")))
    assert name_text(data) == "CN=Device CA, 1.2.3=#040101"


def test_string_type_case_and_spacing_do_not_tell_names_apart() -> None:
    """PrintableString against UTF8String against BMPString (RFC 5280 §7.1)."""
    one = _name((CN, tlv(0x13, b"Device  CA ")))
    other = _name((CN, tlv(0x0C, b"device ca")))
    third = _name((CN, tlv(0x1E, "DEVICE CA".encode("utf-16-be"))))
    assert names_match(one, other)
    assert names_match(other, third)


def test_order_within_a_relative_name_does_not_matter_between_them_it_does() -> None:
    """A relative name is a set, a name is a sequence."""
    a, b = sequence(CN, tlv(0x0C, b"a")), sequence(O_, tlv(0x0C, b"b"))
    assert names_match(sequence(set_of(a, b)), sequence(set_of(b, a)))
    assert not names_match(sequence(set_of(a), set_of(b)), sequence(set_of(b), set_of(a)))


@pytest.mark.parametrize(
    "other", [name(("CN", "Root")), name(("CN", "Root"), ("O", "Elsewhere")), name(("O", "Example"), ("CN", "Root"))]
)
def test_different_names_do_not_match(other: bytes) -> None:
    """A missing, a different, a swapped attribute."""
    assert not names_match(name(("CN", "Root"), ("O", "Example")), other)


@pytest.mark.parametrize(
    "data", [b"", integer(1), sequence(integer(1)), sequence(set_of(integer(1))), sequence(set_of(sequence(CN)))]
)
def test_unreadable_name_equals_only_itself(data: bytes) -> None:
    """It cannot be shown, and it never matches another."""
    with pytest.raises(MalformedEvidence):
        attributes(data)
    assert names_match(data, data)
    assert not names_match(data, name(("CN", "Root")))


def test_name_of_hundreds_of_attributes_is_refused() -> None:
    """Bounded like everything foreign."""
    with pytest.raises(MalformedEvidence):
        attributes(_name(*[(CN, tlv(0x0C, b"a"))] * 33))


def test_name_is_empty_when_it_has_no_attributes() -> None:
    """An empty subject is legal."""
    assert name_text(sequence()) == ""
