"""Certificates are read for what they say: odd ones too, broken ones never."""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from attestation.encoding import der
from attestation.encoding.certificate import (
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    MAX_CERTIFICATE_BYTES,
    certificates_from_pem,
    p256_point,
    p256_spki,
    read_certificate,
)
from attestation.errors import MalformedEvidence, Reason
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from devkit.devices.authority.certificate_template import Extension, basic_constraints, spki_of
from devkit.devices.authority.der_writer import (
    NULL,
    explicit,
    integer,
    object_identifier,
    octet_string,
    sequence,
    set_of,
    tlv,
)

from .minting import CA_KEY, CA_NAME, LEAF_KEY, LEAF_NAME, NOW, ca_template, key_of, minted, template

ECDSA_WITH_NULL = sequence(object_identifier("1.2.840.10045.4.3.2"), NULL)


def test_fields_are_those_that_pyca_reads() -> None:
    """An independent reader agrees on every field."""
    data = template().signed_by(CA_KEY)
    ours, theirs = read_certificate(data), x509.load_der_x509_certificate(data)
    assert ours.raw == data
    assert (ours.serial, ours.version) == (theirs.serial_number, 3)
    assert (ours.issuer, ours.subject) == (CA_NAME, LEAF_NAME)
    assert (ours.tbs, ours.signature) == (theirs.tbs_certificate_bytes, theirs.signature)
    assert ours.not_before == theirs.not_valid_before_utc.timestamp()
    assert ours.not_after == theirs.not_valid_after_utc.timestamp()
    assert ours.spki == spki_of(LEAF_KEY)
    assert {oid: e.critical for oid, e in ours.extensions.items()} == {
        e.oid.dotted_string: e.critical for e in theirs.extensions
    }


def test_roles_are_read_from_their_extensions() -> None:
    """Basic constraints and key usage, and their absence."""
    leaf, ca = minted(template()), minted(ca_template(extensions=(basic_constraints(ca=True, path_length=0),)))
    assert leaf.basic_constraints == (False, None)
    assert leaf.key_usage == DIGITAL_SIGNATURE
    assert ca.basic_constraints == (True, 0)
    assert ca.key_usage is None
    assert minted(ca_template()).key_usage == KEY_CERT_SIGN
    assert minted(template(extensions=())).basic_constraints is None


def test_ca_flag_written_as_01_is_read() -> None:
    """As critical flags are."""
    certificate = minted(ca_template(extensions=(Extension("2.5.29.19", sequence(tlv(1, b"\x01"))),)))
    assert certificate.basic_constraints == (True, None)


def test_ca_flag_that_is_written_out_as_false_is_read() -> None:
    """DER leaves a default out; who writes it still says that this is no CA."""
    certificate = minted(template(extensions=(Extension("2.5.29.19", sequence(tlv(1, b"\x00"))),)))
    assert certificate.basic_constraints == (False, None)


def test_version_one_has_no_extensions() -> None:
    """Old roots: no version field, nothing after the key."""
    certificate = minted(template(version=0, extensions=()))
    assert (certificate.version, certificate.extensions) == (1, {})


def test_null_parameter_of_ecdsa_is_read() -> None:
    """Titan-M chips write it; pyca refuses the certificate."""
    data = template(signature_algorithm=ECDSA_WITH_NULL).signed_by(CA_KEY)
    with pytest.raises(ValueError, match="parsing asn1"):
        x509.load_der_x509_certificate(data)
    assert read_certificate(data).signature_algorithm == ECDSA_WITH_NULL


def test_critical_flag_written_as_01_is_read() -> None:
    """KeyMint releases write BER TRUE."""
    certificate = minted(template(extensions=(Extension("2.5.29.15", b"\x03\x02\x07\x80", critical=True, true=1),)))
    assert certificate.extensions["2.5.29.15"].critical
    assert certificate.extensions["2.5.29.15"].ber_true
    assert not minted(template()).extensions["2.5.29.15"].ber_true
    assert certificate.key_usage == DIGITAL_SIGNATURE


def test_broken_value_of_an_unrelated_extension_is_not_looked_at() -> None:
    """A dozen Huawei chains have CRL distribution points of one zero byte."""
    certificate = minted(template(extensions=(*template().extensions, Extension("2.5.29.31", b"\x00"))))
    assert certificate.basic_constraints == (False, None)
    assert certificate.extensions["2.5.29.31"].value == b"\x00"


def test_broken_role_is_malformed_when_it_is_asked_for() -> None:
    """Nonsense in basic constraints is an error for code that depends on them."""
    certificate = minted(template(extensions=(Extension("2.5.29.19", b"\x00"), Extension("2.5.29.15", b"\x04\x00"))))
    for role in ("basic_constraints", "key_usage"):
        with pytest.raises(MalformedEvidence):
            getattr(certificate, role)


def test_repeated_extension_is_noticed_and_refused_when_it_is_asked_for() -> None:
    """Two values of one name: two readers would each believe another one."""
    twice = (Extension("2.5.29.19", b"\x30\x00"), basic_constraints(ca=True))
    certificate = minted(template(extensions=twice))
    assert certificate.duplicated == {"2.5.29.19"}
    first = certificate.extensions["2.5.29.19"]
    assert (first.critical, first.value) == (True, b"\x30\x00")
    with pytest.raises(MalformedEvidence):
        _ = certificate.basic_constraints


def _validity(*times: bytes) -> bytes:
    return sequence(*times)


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        (tlv(0x17, b"491231235959Z"), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (tlv(0x17, b"500101000000Z"), datetime(1950, 1, 1, tzinfo=UTC)),
        (tlv(0x17, b"700101000000Z"), datetime(1970, 1, 1, tzinfo=UTC)),
        (tlv(0x18, b"20200101000000Z"), datetime(2020, 1, 1, tzinfo=UTC)),
        (tlv(0x18, b"21060207062815Z"), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)),
        (tlv(0x18, b"00010101000000Z"), datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_dates_of_every_age_are_read(time: bytes, moment: datetime) -> None:
    """UTCTime's century, GeneralizedTime before 2050, 1970, 2106."""
    certificate = minted(template(validity=_validity(time, time)))
    assert certificate.not_before == certificate.not_after == moment.timestamp()


@pytest.mark.parametrize(
    "time",
    [
        tlv(0x17, b""),
        tlv(0x17, b"Z"),
        tlv(0x17, b"2401010000Z"),
        tlv(0x17, b"240101000000+0100"),
        tlv(0x17, b"20240101000000Z"),
        tlv(0x18, b"240101000000Z"),
        tlv(0x18, b"20240101000000.5Z"),
        tlv(0x18, b"00000101000000Z"),
        tlv(0x17, b"241301000000Z"),
        tlv(0x17, b"240230000000Z"),
        tlv(0x17, b"240101246000Z"),
        tlv(0x17, "２40101000000Z".encode()),
        integer(7),
    ],
)
def test_unreadable_date_never_raises_and_never_helps(time: bytes) -> None:
    """Not valid yet and expired at once: an unreadable date fails closed."""
    certificate = minted(template(validity=_validity(time, time)))
    assert (certificate.not_before, certificate.not_after) == (math.inf, -math.inf)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_validity_of_other_than_two_times_is_malformed(count: int) -> None:
    """A broken structure, not an odd date."""
    with pytest.raises(MalformedEvidence):
        minted(template(validity=_validity(*[tlv(0x17, b"240101000000Z")] * count)))


def test_serial_numbers_of_every_kind_are_read() -> None:
    """Negative, zero and of 21 octets occur on old devices."""
    for serial in (0, -5, 2**160):
        assert minted(template(serial=serial)).serial == serial


def test_padded_serial_number_is_read() -> None:
    """Old devices write a leading zero octet too many."""
    data = rebuilt(lambda fields: [fields[0], tlv(0x02, b"\x00\x00\x01"), *fields[2:]])
    assert read_certificate(data).serial == 1


def test_differing_signature_algorithms_are_malformed() -> None:
    """The unsigned copy must be the signed one, byte for byte (RFC 5280 §4.1.1.2)."""
    with pytest.raises(MalformedEvidence) as refusal:
        minted(template(outer_signature_algorithm=ECDSA_WITH_NULL))
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_trailing_bytes_are_refused_or_counted() -> None:
    """Some exports of genuine chains have them: tolerated only by name, and never part of the certificate."""
    data = template().signed_by(CA_KEY)
    with pytest.raises(MalformedEvidence):
        read_certificate(data + b"\x00\x00")
    certificate = read_certificate(data + b"\x00\x00", allow_trailing=True)
    assert (certificate.raw, certificate.trailing) == (data, 2)


def test_every_truncation_is_malformed() -> None:
    """Cut anywhere, it is no certificate."""
    data = template().signed_by(CA_KEY)
    for end in range(len(data)):
        with pytest.raises(MalformedEvidence):
            read_certificate(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        sequence(),
        sequence(sequence(), sequence(), tlv(3, b"\x00")),
        sequence(integer(1), sequence(), tlv(3, b"\x00a")),
        sequence(sequence(tlv(0xA0, integer(9))), sequence(), tlv(3, b"\x00")),
        octet_string(b"certificate"),
        tlv(0x30, bytes(MAX_CERTIFICATE_BYTES)),
    ],
)
def test_other_structures_are_malformed(data: bytes) -> None:
    """Well-formed DER that is no certificate."""
    with pytest.raises(MalformedEvidence):
        read_certificate(data)


@pytest.mark.parametrize(
    "extension",
    [
        sequence(object_identifier("1.2.3")),
        sequence(octet_string(b""), object_identifier("1.2.3")),
        sequence(object_identifier("1.2.3"), integer(1), octet_string(b"")),
        sequence(object_identifier("1.2.3"), tlv(1, b"\xff"), tlv(1, b"\xff"), octet_string(b"")),
        octet_string(b""),
        sequence(octet_string(b"\x2a"), octet_string(b"")),
        sequence(object_identifier("1.2.3"), integer(1)),
        set_of(object_identifier("1.2.3"), octet_string(b"")),
    ],
)
def test_extension_of_another_shape_is_malformed(extension: bytes) -> None:
    """OID, optional flag, OCTET STRING; nothing else."""

    class Odd(Extension):
        def encode(self) -> bytes:
            return extension

    with pytest.raises(MalformedEvidence):
        minted(template(extensions=(Odd("1.2.3", b""),)))


def rebuilt(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """The default certificate with other fields; it has eight, from version and serial number to key and extensions."""
    parts = list(der.Reader(der.single(template().signed_by(CA_KEY), der.SEQUENCE)))
    fields = [field.raw for field in der.Reader(parts[0].value)]
    return sequence(sequence(*change(fields)), parts[1].raw, parts[2].raw)


ONE, TWO = tlv(0x81, b"\x00a"), tlv(0x82, b"\x00b")


@pytest.mark.parametrize("ids", [[ONE], [TWO], [ONE, TWO]], ids=["issuer", "subject", "both"])
@pytest.mark.parametrize("last", [7, 8], ids=["alone", "before extensions"])
def test_unique_identifiers_are_passed_over(ids: list[bytes], last: int) -> None:
    """RFC 5280 §4.1.2.8: obsolete, and legal before the extensions."""
    certificate = read_certificate(rebuilt(lambda fields: [*fields[:7], *ids, *fields[7:last]]))
    assert certificate.spki == spki_of(LEAF_KEY)
    assert certificate.extensions == (minted(template()).extensions if last == 8 else {})


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: [*fields[:7], TWO, ONE, fields[7]],
        lambda fields: [*fields[:7], ONE, ONE, fields[7]],
        lambda fields: [*fields[:7], tlv(0xA1, ONE), fields[7]],
        lambda fields: [*fields[:7], NULL],
        lambda fields: [*fields, fields[7]],
        lambda fields: [*fields, NULL],
        lambda fields: [*fields[:7], explicit(3, sequence(), sequence())],
        lambda fields: [*fields[:7], explicit(3)],
        lambda fields: [*fields[:7], explicit(3, octet_string(b""))],
        *(
            lambda fields, at=at, other=other: [*fields[:at], other, *fields[at + 1 :]]
            for at in range(1, 7)
            for other in (tlv(0x01, b"\xff"), tlv(0x7E, b"\xff"))
        ),
        *(lambda fields, at=at: [*fields[:at], *fields[at + 1 :]] for at in range(1, 7)),
        *(lambda fields, end=end: fields[:end] for end in range(7)),
    ],
)
def test_other_fields_than_a_certificates_are_malformed(change: Callable[[list[bytes]], list[bytes]]) -> None:
    """In another order, twice, of another type, or missing."""
    with pytest.raises(MalformedEvidence) as refusal:
        read_certificate(rebuilt(change))
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_hundreds_of_extensions_are_refused() -> None:
    """A certificate is no place to burn CPU."""
    many = tuple(Extension(f"1.2.3.{number}", b"") for number in range(65))
    with pytest.raises(MalformedEvidence):
        minted(template(extensions=many))


def test_p256_point_and_its_key_are_inverse() -> None:
    """65 bytes out of a SubjectPublicKeyInfo, and back."""
    spki = spki_of(LEAF_KEY)
    assert p256_spki(p256_point(spki)) == spki


def test_other_keys_have_no_p256_point() -> None:
    """P-384, and a point that is compressed."""
    compressed = p256_spki(b"\x04" + bytes(64))[:-64]
    for spki in (spki_of(CA_KEY), compressed, b""):
        with pytest.raises(MalformedEvidence) as refusal:
            p256_point(spki)
        assert refusal.value.reason is Reason.KEY_UNREADABLE


def _pem(data: bytes) -> str:
    return x509.load_der_x509_certificate(data).public_bytes(Encoding.PEM).decode()


def test_pem_text_gives_its_certificates_in_order() -> None:
    """Text around and between the blocks is ignored."""
    leaf, ca = template().signed_by(CA_KEY), ca_template().signed_by(key_of(9))
    found = certificates_from_pem(f"a chain\n{_pem(leaf)}\n# issuer\r\n{_pem(ca)}")
    assert [certificate.raw for certificate in found] == [leaf, ca]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    ],
)
def test_pem_text_without_a_certificate_is_malformed(text: str) -> None:
    """An empty list would read as "no anchors"."""
    with pytest.raises(MalformedEvidence):
        certificates_from_pem(text)


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process thirteen hours ahead of UTC."""
    monkeypatch.setenv("TZ", "FAR-13")
    clock.tzset()
    yield
    monkeypatch.undo()
    clock.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
def test_dates_are_seconds() -> None:
    """Unix seconds everywhere."""
    assert minted(template()).not_before == NOW - 86_400
