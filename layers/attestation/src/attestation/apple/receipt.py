"""App Attest receipts: what Apple signed about an attestation, and, once exchanged, a device's risk metric.

A receipt is CMS SignedData (RFC 5652) without signed attributes, mostly in BER with indefinite lengths. It chains to
Apple Root CA - G3, not to the App Attestation root. Signer certificates live about a year, so the chain is judged at
the receipt's creation time: receipts are stored and read again later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum, unique
from hmac import compare_digest
from typing import Final

from attestation.encoding import der
from attestation.encoding.certificate import DIGITAL_SIGNATURE, Certificate, p256_point, read_certificate
from attestation.encoding.chain import LINKS, LinkCache, check_signature, verify_path
from attestation.encoding.names import names_match, names_match_in_ber
from attestation.endorsements import Endorsements, TrustAnchor, require_anchors
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import MAX_EVIDENCE_BYTES, AppleReceipt
from attestation.reference_values import AppleReferenceValues, Environment

RECEIPT_SIGNER: Final = "1.2.840.113635.100.12.15"
"""The extension that marks a certificate as a signer of receipts."""

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_DATA: Final = "1.2.840.113549.1.7.1"
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_ECDSA_SHA256: Final = "1.2.840.10045.4.3.2"
_ECDSA_SHA256_DER: Final = bytes.fromhex("300a06082a8648ce3d040302")
_MAX_CERTIFICATES: Final = 8
_MAX_CHAIN: Final = 4
_MAX_FIELDS: Final = 64
_MAX_SKEW: Final = 60.0  # seconds that Apple's clock and ours may differ

_CERTIFICATES_TAG: Final = der.context(0)
_CRLS_TAG: Final = der.context(1)
_UNSIGNED_ATTRIBUTES_TAG: Final = der.context(1)

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))\Z", re.ASCII
)
_ENVIRONMENTS: Final = {"production": Environment.PRODUCTION, "sandbox": Environment.DEVELOPMENT}


@unique
class ReceiptType(StrEnum):
    """``ATTEST`` comes inside an attestation; ``RECEIPT`` is what Apple's server gives in exchange for one."""

    ATTEST = "ATTEST"
    RECEIPT = "RECEIPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The fields of a receipt. Times are Unix seconds.

    ``certificate`` is the attested key's certificate; ``client_hash`` the client data hash, which Apple mangles in
    exchanged receipts; ``environment`` ``production`` or ``sandbox``; ``not_before`` the earliest next exchange;
    ``risk_metric`` about how many keys the app attested on this device within 30 days, only in exchanged receipts;
    ``other`` keeps fields of unknown meaning by number.
    """

    app_id: str
    certificate: bytes
    client_hash: bytes | None
    token: str | None
    type: ReceiptType
    environment: str | None
    creation_time: float
    expiration_time: float | None
    not_before: float | None
    risk_metric: int | None
    other: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReceipt:
    """A receipt taken apart, not yet judged: signed content, certificates, and who is said to have signed.

    ``signer_issuer`` is a name in BER; ``signature_algorithm`` the algorithm's OID, whose parameters say nothing more.
    """

    content: bytes
    certificates: tuple[Certificate, ...]
    signer_issuer: bytes
    signer_serial: int
    signature_algorithm: str
    signature: bytes


def verify_receipt(
    evidence: AppleReceipt,
    *,
    attested_public_key: bytes | None,
    reference_values: AppleReferenceValues,
    endorsements: Endorsements,
    now: float,
    expected_type: ReceiptType | None = None,
    max_age: float | None = None,
    client_data_hash: bytes | None = None,
    links: LinkCache = LINKS,
) -> Receipt:
    """Verify a receipt and return its fields.

    ``attested_public_key`` is the uncompressed point that the receipt must be about; ``None`` skips that check.
    ``max_age`` in seconds is for receipts of a just-made attestation (Apple advises 300), not for stored ones.
    ``client_data_hash``, when given, is compared in ``ATTEST`` receipts. The risk metric (10) is returned, not judged.

    Raises :class:`MalformedEvidence`, :class:`RejectedEvidence` or :class:`EndorsementsUnavailable`.
    """
    anchors = require_anchors(endorsements.apple_receipt)
    # (1) Decode, with bounds; exactly one signer.
    signed = read_signed_receipt(evidence.receipt)
    receipt = read_receipt_fields(signed.content)
    # (2) Signed by the certificate that issuer and serial number name.
    signer = _signer(signed)
    _check_content_signature(signed, signer)
    # (3) That certificate is Apple's for this purpose, and was valid when the receipt was made.
    path = _path(signer, signed.certificates, anchors)
    verify_path(path, anchors=anchors, now=receipt.creation_time, links=links, max_length=_MAX_CHAIN)
    _check_signer_role(signer)
    # (4) One of our apps.
    if receipt.app_id not in reference_values.app_ids:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the receipt is of another app")
    # (5) Made in the past, and recently where that is asked.
    if receipt.creation_time > now + _MAX_SKEW:
        raise RejectedEvidence(Reason.RECEIPT_FROM_FUTURE, "the receipt was created in the future")
    if max_age is not None and now - receipt.creation_time > max_age:
        raise RejectedEvidence(Reason.RECEIPT_TOO_OLD, f"the receipt is {now - receipt.creation_time:.0f} s old")
    # (6) About the attested key.
    if attested_public_key is not None and not compare_digest(_attested_point(receipt), attested_public_key):
        raise RejectedEvidence(Reason.KEY_MISMATCH, "the receipt is about another key")
    # (7) Of an environment that may enrol.
    _check_environment(receipt, reference_values)
    # (8) Not expired.
    if receipt.expiration_time is not None and now > receipt.expiration_time:
        raise RejectedEvidence(Reason.RECEIPT_EXPIRED, "the receipt has expired")
    # (9) Of the expected type.
    if expected_type is not None and receipt.type is not expected_type:
        raise RejectedEvidence(Reason.RECEIPT_TYPE, f"the receipt is of type {receipt.type}")
    # Beyond Apple's steps: field 4 repeats what the attestation bound. Exchanged receipts hold it damaged.
    comparable = client_data_hash is not None and receipt.type is ReceiptType.ATTEST
    if comparable and not compare_digest(receipt.client_hash or b"", client_data_hash or b""):
        raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the receipt is about other client data")
    return receipt


def read_signed_receipt(data: bytes) -> SignedReceipt:
    """Take the CMS structure apart (RFC 5652 §5.1) without judging it. Raises :class:`MalformedEvidence`."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"receipt of {len(data)} bytes")
    content_info = _fields(_only(data, der.SEQUENCE))
    _expect_oid(content_info, _SIGNED_DATA)
    signed_data = _fields(_only(content_info.expect(der.context(0)).value, der.SEQUENCE))
    content_info.finish()
    der.integer(signed_data.expect(der.INTEGER).value)
    signed_data.expect(der.SET)  # digest algorithms, repeated in the signer
    encapsulated = _fields(signed_data.expect(der.SEQUENCE).value)
    _expect_oid(encapsulated, _DATA)
    explicit = _fields(encapsulated.expect(der.context(0)).value)
    content = der.ber_octet_string(explicit.next())
    explicit.finish()
    encapsulated.finish()
    certificates: list[Certificate] = []
    for element in _fields(signed_data.expect(_CERTIFICATES_TAG).value):
        if len(certificates) >= _MAX_CERTIFICATES:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "too many certificates in the receipt")
        certificates.append(read_certificate(element.raw))
    signed_data.optional(_CRLS_TAG)
    signer = _fields(_only(signed_data.expect(der.SET).value, der.SEQUENCE))
    signed_data.finish()
    return _signer_info(signer, content, tuple(certificates))


def _signer_info(signer: der.BerReader, content: bytes, certificates: tuple[Certificate, ...]) -> SignedReceipt:
    """The one SignerInfo (RFC 5652 §5.3): version 1, issuer and serial number, no signed attributes."""
    if der.integer(signer.expect(der.INTEGER).value) != 1:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the signer is not named by issuer and serial number")
    name = _fields(signer.expect(der.SEQUENCE).value)
    issuer = name.expect(der.SEQUENCE).raw
    serial = der.integer(name.expect(der.INTEGER).value, max_octets=64, strict=False)
    name.finish()
    _expect_oid(_fields(signer.expect(der.SEQUENCE).value), _SHA256)
    # Signed attributes would stand here. Signatures over them are made differently, and Apple has none.
    algorithm = der.object_identifier(_fields(signer.expect(der.SEQUENCE).value).expect(der.OBJECT_IDENTIFIER).value)
    signature = der.ber_octet_string(signer.next())
    signer.optional(_UNSIGNED_ATTRIBUTES_TAG)
    signer.finish()
    return SignedReceipt(
        content=content,
        certificates=certificates,
        signer_issuer=issuer,
        signer_serial=serial,
        signature_algorithm=algorithm,
        signature=signature,
    )


def read_receipt_fields(content: bytes) -> Receipt:
    """The fields of the signed content: a SET, in any order, of (type, version, value).

    Raises :class:`MalformedEvidence` for a repeated field, a missing one that every receipt has, or text that is none.
    """
    fields: dict[int, bytes] = {}
    for element in _fields(_only(content, der.SET)):
        if element.tag != der.SEQUENCE or len(fields) >= _MAX_FIELDS:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "receipt fields are no list, or too many")
        parts = _fields(element.value)
        number = der.integer(parts.expect(der.INTEGER).value)
        parts.expect(der.INTEGER)
        value = der.ber_octet_string(parts.next())
        parts.finish()
        if number in fields:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"receipt repeats field {number}")
        fields[number] = value
    app_id, certificate, kind, created = (fields.pop(number, None) for number in (2, 3, 6, 12))
    if app_id is None or certificate is None or kind is None or created is None:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "receipt lacks app id, certificate, type or creation time")
    return Receipt(
        app_id=der.text(app_id),
        certificate=certificate,
        client_hash=fields.pop(4, None),
        token=_optional_text(fields.pop(5, None)),
        type=_type(kind),
        environment=_optional_text(fields.pop(7, None)),
        creation_time=_time(created),
        expiration_time=_optional_time(fields.pop(21, None)),
        not_before=_optional_time(fields.pop(19, None)),
        risk_metric=_metric(fields.pop(17, None)),
        other=fields,
    )


def _fields(data: bytes) -> der.BerReader:
    return der.BerReader(data)


def _only(data: bytes, tag: int) -> bytes:
    reader = der.BerReader(data)
    element = reader.expect(tag)
    reader.finish()
    return element.value


def _expect_oid(fields: der.BerReader, oid: str) -> None:
    if der.object_identifier(fields.expect(der.OBJECT_IDENTIFIER).value) != oid:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"the receipt has another type where {oid} belongs")


def _signer(signed: SignedReceipt) -> Certificate:
    """The certificate that the signer info names; never simply the first one of the bag."""
    named = [
        certificate
        for certificate in signed.certificates
        if certificate.serial == signed.signer_serial and names_match_in_ber(certificate.issuer, signed.signer_issuer)
    ]
    if len(named) != 1:
        raise RejectedEvidence(Reason.RECEIPT_SIGNER, f"{len(named)} certificates fit the receipt's signer")
    return named[0]


def _check_content_signature(signed: SignedReceipt, signer: Certificate) -> None:
    if signed.signature_algorithm != _ECDSA_SHA256:
        raise RejectedEvidence(Reason.RECEIPT_SIGNATURE, "the receipt is not signed by ECDSA with SHA-256")
    try:
        check_signature(_ECDSA_SHA256_DER, signer.spki, signed.signature, signed.content)
    except RejectedEvidence as error:
        raise RejectedEvidence(Reason.RECEIPT_SIGNATURE, "the receipt's content is not signed by its signer") from error


def _path(signer: Certificate, bag: tuple[Certificate, ...], anchors: tuple[TrustAnchor, ...]) -> list[Certificate]:
    """From the signer up to the first certificate that an anchor's name issued. Certificates in the bag are a set."""
    path = [signer]
    while len(path) < _MAX_CHAIN and not any(names_match(path[-1].issuer, anchor.subject) for anchor in anchors):
        issuers = [
            certificate
            for certificate in bag
            if certificate not in path and names_match(certificate.subject, path[-1].issuer)
        ]
        if not issuers:
            break
        if len(issuers) > 1:
            raise RejectedEvidence(Reason.RECEIPT_SIGNER, "the receipt offers several issuers of one name")
        path.append(issuers[0])
    return path


def _check_signer_role(signer: Certificate) -> None:
    if signer.extension(RECEIPT_SIGNER) is None:
        raise RejectedEvidence(Reason.RECEIPT_SIGNER, "the signer's certificate is not one for receipts")
    usage, constraints = signer.key_usage, signer.basic_constraints
    if constraints is not None and constraints.ca:
        raise RejectedEvidence(Reason.CHAIN_CA_FLAG, "the receipt is signed by a CA")
    if usage is not None and not usage & DIGITAL_SIGNATURE:
        raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, "the signer's key is not for signatures")


def _attested_point(receipt: Receipt) -> bytes:
    return p256_point(read_certificate(receipt.certificate).spki)


def _check_environment(receipt: Receipt, reference_values: AppleReferenceValues) -> None:
    """Field 7 is undocumented: absent is no fault, an environment we did not allow is."""
    if receipt.environment is None:
        return
    if _ENVIRONMENTS.get(receipt.environment) not in reference_values.environments:
        raise RejectedEvidence(Reason.ENVIRONMENT_NOT_ALLOWED, "the receipt is of an environment that may not enrol")


def _type(value: bytes) -> ReceiptType:
    try:
        return ReceiptType(der.text(value))
    except ValueError as error:
        raise RejectedEvidence(Reason.RECEIPT_TYPE, "the receipt is of an unknown type") from error


def _optional_text(value: bytes | None) -> str | None:
    return None if value is None else der.text(value)


def _optional_time(value: bytes | None) -> float | None:
    return None if value is None else _time(value)


def _time(value: bytes) -> float:
    """Unix seconds of RFC 3339 text. Apple writes one to three digits of fraction, or none."""
    invalid = MalformedEvidence(Reason.STRUCTURE_INVALID, "a receipt's time is not RFC 3339")
    found = _RFC3339.match(der.text(value)) if len(value) <= 40 else None
    if found is None:
        raise invalid
    *numbers, fraction, sign, hours, minutes = found.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta(0)
        zone = timezone(-offset if sign == "-" else offset) if sign else UTC
        year, month, day, hour, minute, second = map(int, numbers)
        seconds = datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()
    except (ValueError, OverflowError) as error:
        raise invalid from error
    return seconds + (float(f"0.{fraction}") if fraction else 0.0)


def _metric(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 9:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a receipt's risk metric is no number")
    return int(value)
