"""Apple's extensions: the nonce strictly, everything undocumented as far as it goes."""

from __future__ import annotations

import pytest
from attestation.apple.leaf_extensions import IPHONE_ACCESS, MAC_FULL_SECURITY, read_facts, read_nonce
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence

from devkit.devices.apple.generations import (
    IPHONE_ACCESS_CONTROL,
    MAC_FULL_SECURITY_ACCESS_CONTROL,
    MAC_REDUCED_SECURITY_ACCESS_CONTROL,
)
from devkit.devices.authority.certificate_template import Extension
from devkit.devices.authority.der_writer import explicit, integer, octet_string, sequence, utf8_string

from .minting import minted, template

NONCE, KEY, ACL, OS = (f"1.2.840.113635.100.8.{last}" for last in (2, 5, 6, 7))
WRAPPED = sequence(explicit(1, octet_string(bytes(32))))


def leaf(*extensions: tuple[str, bytes]):  # type: ignore[no-untyped-def]
    return minted(template(extensions=tuple(Extension(oid, value) for oid, value in extensions)))


def test_nonce_is_unwrapped() -> None:
    """SEQUENCE { [1] EXPLICIT OCTET STRING(32) }."""
    assert read_nonce(leaf((NONCE, WRAPPED))) == bytes(32)


@pytest.mark.parametrize("count", [0, 2])
def test_absent_or_repeated_nonce_is_rejected(count: int) -> None:
    """With two, an attacker could hope that we look at the other one."""
    with pytest.raises(RejectedEvidence) as refusal:
        read_nonce(leaf(*[(NONCE, WRAPPED)] * count))
    assert refusal.value.reason is Reason.NONCE_EXTENSION


@pytest.mark.parametrize(
    "value",
    [
        b"",
        bytes(38),
        octet_string(bytes(32)),
        WRAPPED + b"\x00",
        sequence(explicit(0, octet_string(bytes(32)))),
        sequence(explicit(1, octet_string(bytes(31)))),
        sequence(explicit(1, octet_string(bytes(33)))),
        sequence(explicit(1, octet_string(bytes(32)), integer(1))),
        sequence(explicit(1, octet_string(bytes(32))), integer(1)),
        sequence(octet_string(bytes(32))),
    ],
)
def test_nonce_in_another_wrapper_is_malformed(value: bytes) -> None:
    """The wrapper is parsed, not skipped by length."""
    with pytest.raises(MalformedEvidence) as refusal:
        read_nonce(leaf((NONCE, value)))
    assert refusal.value.reason is Reason.NONCE_EXTENSION


def _os(*values: tuple[int, bytes]) -> bytes:
    return sequence(*(explicit(number, value) for number, value in values))


def test_facts_of_ios_14_are_a_version_alone() -> None:
    """Its certificates carry only tag 1400."""
    facts = read_facts(leaf((OS, _os((1400, octet_string(b"14.2"))))))
    assert (facts.os_version, facts.os_build, facts.mac, facts.full_security) == ("14.2", None, False, None)


def test_facts_of_a_leaf_without_extensions_are_absent() -> None:
    """Every part is optional."""
    facts = read_facts(leaf())
    assert (facts.app_id, facts.os_version, facts.os_build, facts.os_name) == (None, None, None, None)


def test_tags_may_come_in_any_order_with_unknown_ones_between() -> None:
    """A later release adds tags; both string types are read."""
    value = _os(
        (9999, sequence()),
        (1403, utf8_string("24A325")),
        (1026, octet_string(b"iphoneos")),
        (1, integer(7)),
        (1400, octet_string(b"27.0")),
    )
    facts = read_facts(leaf((OS, value)))
    assert (facts.os_version, facts.os_build, facts.os_name) == ("27.0", "24A325", "iphoneos")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x00",
        b"\x30\x7f",
        integer(1),
        sequence(integer(1)),
        _os((1400, integer(27))),
        _os((1400, octet_string(b"\xff\xfe"))),
        _os((1400, octet_string(b"27\x1b[2J"))),
        _os((1400, octet_string(b"2" * 257))),
        _os((1400, octet_string(b"27.0") + integer(1))),
    ],
)
def test_os_information_that_cannot_be_read_is_absent(value: bytes) -> None:
    """Undocumented, so never a reason to refuse; and no control characters reach a terminal."""
    assert read_facts(leaf((OS, value))).os_version is None


MAC = (OS, _os((1026, octet_string(b"macosx"))))


def _acl(blob: bytes) -> tuple[str, bytes]:
    return ACL, sequence(explicit(3, octet_string(blob)))


def test_mac_with_the_one_trusted_list_has_full_security() -> None:
    """Our bytes are those of the published list."""
    assert MAC_FULL_SECURITY == MAC_FULL_SECURITY_ACCESS_CONTROL
    facts = read_facts(leaf(MAC, _acl(MAC_FULL_SECURITY)))
    assert (facts.mac, facts.full_security) == (True, True)


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        [_acl(MAC_FULL_SECURITY[:-1])],
        [_acl(b"")],
        [(ACL, octet_string(MAC_FULL_SECURITY))],
        [(ACL, sequence(explicit(3, utf8_string("list"))))],
    ],
)
def test_mac_with_any_other_list_or_none_has_not(extensions: list[tuple[str, bytes]]) -> None:
    """Only the exact list vouches; an absent one does not."""
    assert read_facts(leaf(MAC, *extensions)).full_security is False


def test_list_of_an_iphone_says_nothing_about_security() -> None:
    """iPhones carry the extension with another value: comparing it would refuse them all."""
    phone = (OS, _os((1026, octet_string(b"iphoneos"))))
    assert read_facts(leaf(phone, _acl(b"another list"))).full_security is None
    assert read_facts(leaf(_acl(b"another list"))).full_security is None


@pytest.mark.parametrize("name", [None, b"osx", b"bridgeos"])
def test_leaf_of_no_known_system_is_taken_by_its_list(name: bytes | None) -> None:
    """A Mac whose leaf keeps quiet about its system must not pass as an iPhone unasked."""
    system = [(OS, _os((1026, octet_string(name))))] if name else []
    for blob, mac, unjudged in (
        (MAC_FULL_SECURITY, True, False),
        (IPHONE_ACCESS, False, False),
        (MAC_REDUCED_SECURITY_ACCESS_CONTROL, False, True),
        (b"", False, True),
    ):
        facts = read_facts(leaf(*system, _acl(blob)))
        assert (facts.mac, facts.full_security, facts.unjudged) == (mac, True if mac else None, unjudged)
    assert read_facts(leaf(*system, (ACL, b"\x00"))).unjudged
    assert not read_facts(leaf(*system)).unjudged


@pytest.mark.parametrize(
    "name", [b"iphoneos", b"ipados", b"watchos", b"appletvos", b"tvos", b"xros", b"xrOS", b"visionos"]
)
def test_list_of_a_handheld_is_not_judged(name: bytes) -> None:
    """Their keys may carry lists not seen yet."""
    facts = read_facts(leaf((OS, _os((1026, octet_string(name)))), _acl(b"another list")))
    assert (facts.mac, facts.full_security, facts.unjudged) == (False, None, False)


def test_list_of_iphones_is_that_of_genuine_ones() -> None:
    """Our bytes are those that the software iPhone writes after genuine certificates."""
    assert IPHONE_ACCESS == IPHONE_ACCESS_CONTROL


def test_facts_never_raise() -> None:
    """Whatever the bytes."""
    for last in range(256):
        try:
            read_facts(leaf((OS, bytes([0x30, 2, 0xA1, last])), (KEY, bytes([last])), (ACL, bytes([0x30, last]))))
        except AttestationError:
            pytest.fail("undocumented bytes sank the certificate")
