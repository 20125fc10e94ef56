"""Readers of foreign bytes: whatever comes, one of our errors or a value; and never much work for little input."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from attestation.apple.attestation import read_attestation_object
from attestation.apple.authenticator_data import read_assertion_data, read_attestation_data
from attestation.apple.leaf_extensions import read_facts, tagged_values
from attestation.apple.receipt import read_receipt_fields, read_signed_receipt
from attestation.encoding import der
from attestation.encoding.cbor import decode, decode_prefix
from attestation.encoding.certificate import Extension, certificates_from_pem, read_certificate
from attestation.encoding.names import attributes, names_match
from attestation.errors import AttestationError, MalformedEvidence, RejectedEvidence
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bonafide.inspect.inspection import inspect_evidence
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.der_writer import explicit, indefinite, tlv

ROOT = DeviceAuthority.create().root_certificate
NAME = read_certificate(ROOT).subject

READERS: dict[str, Callable[[bytes], Any]] = {
    "der": lambda data: list(der.Reader(data)),
    "der elements": lambda data: der.elements(data, 0, len(data)),
    "der explicit elements": lambda data: der.explicit_elements(data, 0, len(data)),
    "ber": lambda data: [der.ber_octet_string(element) for element in der.BerReader(data)],
    "integer": der.integer,
    "boolean": der.boolean,
    "bit string": der.bit_string,
    "named bits": der.named_bits,
    "object identifier": der.object_identifier,
    "text": der.text,
    "cbor": decode,
    "cbor with integer keys": lambda data: decode_prefix(data, text_keys=False),
    "certificate": read_certificate,
    "certificate with trailing bytes": lambda data: read_certificate(data, allow_trailing=True),
    "pem": lambda data: certificates_from_pem(data.decode("latin-1")),
    "name": attributes,
    "two names": lambda data: names_match(data, NAME),
    "attestation data": read_attestation_data,
    "assertion data": read_assertion_data,
    "attestation object": read_attestation_object,
    "receipt": read_signed_receipt,
    "receipt fields": read_receipt_fields,
    "undocumented extension": lambda data: tagged_values(Extension(False, data)),
}


def outcome(reader: Callable[[bytes], Any], data: bytes) -> Any:
    """The value, or ``None`` for a refusal. Anything else that is raised ends the test."""
    try:
        return reader(data)
    except (MalformedEvidence, RejectedEvidence):
        return None


def _wrap(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    tags = st.sampled_from([0x30, 0x31, 0xA0, 0xA1, 0xA3, 0x24])
    joined = st.lists(children, max_size=4).map(b"".join)
    return st.one_of(
        st.builds(tlv, tags, joined),
        st.builds(indefinite, tags, joined),
        st.builds(explicit, st.sampled_from([1, 30, 31, 128, 704, 1204]), joined),
    )


LEAVES = st.builds(tlv, st.sampled_from([1, 2, 3, 4, 5, 6, 10, 12, 0x13, 0x17, 0x18, 0x80]), st.binary(max_size=12))
DER_LIKE = st.recursive(LEAVES, _wrap, max_leaves=12)
CBOR_LIKE = st.recursive(
    st.one_of(st.integers(-(2**64), 2**64 - 1), st.binary(max_size=40), st.text(max_size=8), st.booleans(), st.none()),
    lambda children: st.one_of(
        st.lists(children, max_size=4), st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=12,
).map(cbor2.dumps)
ANY = st.one_of(st.binary(max_size=200), DER_LIKE, CBOR_LIKE)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(data=ANY)
@example(b"")
@example(b"\x30\x80")
@example(b"\xff" * 40)
def test_only_our_errors_leave_a_reader(name: str, data: bytes) -> None:
    """Random bytes, and bytes that look like the real thing."""
    outcome(READERS[name], data)


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, len(ROOT) - 1), octet=st.integers(0, 255), cut=st.integers(0, 20))
def test_damaged_certificate_is_read_or_refused(position: int, octet: int, cut: int) -> None:
    """One octet replaced, the end cut off: a certificate, or one of our errors; and then also its parts."""
    damaged = ROOT[:position] + bytes([octet]) + ROOT[position + 1 :]
    certificate = outcome(read_certificate, damaged[: len(damaged) - cut])
    if certificate is not None:
        for part in (
            lambda: certificate.basic_constraints,
            lambda: certificate.key_usage,
            lambda: read_facts(certificate),
        ):
            outcome(lambda _, part=part: part(), b"")  # type: ignore[misc]


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(DER_LIKE, st.binary(max_size=60)))
def test_both_readers_of_der_agree(data: bytes) -> None:
    """The cursor and the list without copies take and refuse the same bytes, with the same content."""
    one = outcome(lambda d: [(e.tag, e.value) for e in der.Reader(d)], data)
    other = outcome(lambda d: [(tag, d[start:stop]) for tag, start, stop in der.elements(d, 0, len(d))], data)
    assert one == other


@settings(max_examples=200, deadline=None)
@given(data=DER_LIKE)
def test_ber_reads_everything_that_der_reads(data: bytes) -> None:
    """DER is BER: the lenient reader gives the strict one's answer wherever there is one."""
    strict = outcome(lambda d: list(der.Reader(d)), data)
    if strict is not None:
        assert list(der.BerReader(data)) == strict


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(st.binary(max_size=80), CBOR_LIKE))
def test_what_cbor_accepts_encodes_to_the_same_value(data: bytes) -> None:
    """Nothing is read into the bytes that is not there: decode, encode, decode gives the same."""
    value = outcome(decode, data)
    if value is not None and value == value:  # not NaN
        assert decode(cbor2.dumps(value)) == value


@settings(max_examples=200, deadline=None)
@given(number=st.integers(-(2**63), 2**63 - 1))
def test_integers_survive_a_round_trip(number: int) -> None:
    """Written in the shortest form, read as the same number."""
    octets = number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, signed=True)
    assert der.integer(octets) == number


@settings(max_examples=150, deadline=None)
@given(data=st.one_of(ANY, st.text(max_size=60)))
def test_inspection_never_raises(data: bytes | str) -> None:
    """The last reader of all."""
    inspect_evidence(data).render()


DEEP = 12_000
BOMBS = {
    "indefinite lengths": b"\x30\x80" * DEEP,
    "indefinite lengths closed": b"\x30\x80" * 15 + b"\x04\x00" * DEEP + b"\x00\x00" * 15,
    "sequences of nothing": tlv(0x30, b"\x30\x00" * DEEP),
    "pieces of nothing": indefinite(0x24, b"\x04\x00" * DEEP),
    "arrays in arrays": b"\x81" * DEEP + b"\x00",
    "maps in maps": b"\xa1\x60" * DEEP + b"\x00",
    "array of billions": b"\x9a\xff\xff\xff\xff" + b"\x00" * DEEP,
    "many keys": b"\xb9\x0f\xa0" + b"".join(b"\x19" + n.to_bytes(2) + b"\x00" for n in range(4000)),
    "keys that are arrays": b"\xa1" + b"\x81" * DEEP,
    "tag without end": b"\x1f" + b"\xff" * DEEP,
    "object identifier without end": tlv(0x06, b"\xff" * DEEP),
    "extensions of nothing": tlv(0x30, tlv(0x30, explicit(3, tlv(0x30, b"\x30\x00" * DEEP)))),
    "name of nothing": tlv(0x30, b"\x31\x00" * DEEP),
    "PEM without end": b"-----BEGIN CERTIFICATE-----\n" * 800,
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", READERS)
def test_small_input_never_costs_much_work(name: str, bomb: str) -> None:
    """24 KB of the worst we can think of: far below a second on any machine, where a bomb would take minutes."""
    started = time.process_time()
    outcome(READERS[name], BOMBS[bomb])
    assert time.process_time() - started < 2


def test_refusals_are_attestation_errors() -> None:
    """The two classes that readers use have one root."""
    assert issubclass(MalformedEvidence, AttestationError)
    assert issubclass(RejectedEvidence, AttestationError)
