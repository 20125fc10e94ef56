"""Receipts: the envelope walked by hand and by pyca, the signature checked by pyca."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.apple.receipt import ReceiptDraft, ReceiptForm, timestamp

from .conftest import NOW

PhoneOf = Callable[..., SoftwareIphone]
CLIENT_DATA_HASH = sha256(b"client data").digest()
DATA_OID = bytes.fromhex("06092a864886f70d010701")


def _drafts(phone: SoftwareIphone, form: ReceiptForm) -> tuple[ReceiptDraft, bytes]:
    attestation = phone.attestation_draft(phone.generate_key(), CLIENT_DATA_HASH)
    leaf = attestation.leaf_certificate
    return phone.receipt_draft(leaf, CLIENT_DATA_HASH, form=form), leaf


def _segments(receipt: bytes) -> list[bytes]:
    """The content's pieces, read by a walk that knows only two-byte and four-byte headers."""
    at = receipt.index(DATA_OID) + len(DATA_OID)
    assert receipt[at : at + 4] == b"\xa0\x80\x24\x80"
    at, pieces = at + 4, []
    while receipt[at] == 0x04:
        if receipt[at + 1] < 0x80:
            length, start = receipt[at + 1], at + 2
        elif receipt[at + 1] == 0x81:
            length, start = receipt[at + 2], at + 3
        else:
            length, start = int.from_bytes(receipt[at + 2 : at + 4]), at + 4
        pieces.append(receipt[start : start + length])
        at = start + length
    assert receipt[at : at + 4] == bytes(4)
    return pieces


def test_segmented_receipt_is_cut_every_thousand_bytes(phone_of: PhoneOf) -> None:
    """BER with indefinite lengths; the pieces joined are the signed content."""
    draft, _ = _drafts(phone_of(), ReceiptForm.SEGMENTED)
    sealed = draft.seal()
    assert sealed[:2] == b"\x30\x80"
    pieces = _segments(sealed)
    assert {len(piece) for piece in pieces[:-1]} == {1000}
    assert b"".join(pieces) == draft.encode_fields()


@pytest.mark.parametrize("form", list(ReceiptForm))
def test_receipt_carries_three_certificates_signer_first_root_last(phone_of: PhoneOf, form: ReceiptForm) -> None:
    """pyca reads both forms and finds the chain in order."""
    draft, _ = _drafts(phone_of(), form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyca warns that the genuine form is BER; that is the point
        chain = pkcs7.load_der_pkcs7_certificates(draft.seal())
    assert len(chain) == 3
    for below, above in zip(chain, [*chain[1:], chain[-1]], strict=True):
        below.verify_directly_issued_by(above)


@pytest.mark.parametrize("form", list(ReceiptForm))
def test_signature_covers_the_content_octets(phone_of: PhoneOf, form: ReceiptForm) -> None:
    """No signed attributes: ECDSA with SHA-256 directly over the fields, at the end of the envelope."""
    draft, _ = _drafts(phone_of(), form)
    sealed = draft.seal()
    end = len(sealed) - (6 if form is ReceiptForm.SEGMENTED else 0)  # three end-of-contents
    start = next(at for at in range(end - 74, end) if sealed[at : at + 1] == b"\x04" and sealed[at + 1] == end - at - 2)
    signer = x509.load_der_x509_certificate(draft.certificates[0]).public_key()
    assert isinstance(signer, ec.EllipticCurvePublicKey)
    signer.verify(sealed[start + 2 : end], draft.encode_fields(), ec.ECDSA(hashes.SHA256()))


def test_attest_receipt_has_apples_fields(phone_of: PhoneOf) -> None:
    """Types 2, 3, 4, 5, 6, 7, 12, 21; field 3 is the whole leaf certificate, field 21 ninety days on."""
    phone = phone_of()
    draft, leaf = _drafts(phone, ReceiptForm.SEGMENTED)
    fields = dict(draft.fields)
    assert list(fields) == [2, 3, 4, 5, 6, 7, 12, 21]
    assert (fields[2], fields[3], fields[4]) == (phone.app_id.encode(), leaf, CLIENT_DATA_HASH)
    assert (len(fields[5]), fields[6], fields[7]) == (88, b"ATTEST", b"production")
    assert (fields[12], fields[21]) == (timestamp(NOW), timestamp(NOW + 90 * 86_400))


def test_development_receipt_is_of_the_sandbox(phone_of: PhoneOf) -> None:
    """Field 7 names the environment the way Apple does."""
    draft, _ = _drafts(phone_of(development=True), ReceiptForm.SEGMENTED)
    assert dict(draft.fields)[7] == b"sandbox"


def test_exchanged_receipt_adds_risk_metric_and_mangles_the_hash(phone_of: PhoneOf) -> None:
    """Fields 17 and 19 appear, field 4 is no longer the hash, the order is Apple's."""
    phone = phone_of()
    attest, _ = _drafts(phone, ReceiptForm.SEGMENTED)
    fields = dict(phone.exchange_receipt(attest, risk_metric=3).fields)
    assert list(fields) == [17, 6, 2, 3, 4, 5, 7, 12, 19, 21]
    assert (fields[17], fields[6]) == (b"3", b"RECEIPT")
    assert fields[4] != CLIENT_DATA_HASH
    assert "�".encode() in fields[4]
    assert fields[19] == timestamp(NOW + 86_400)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (1_780_000_000.169, b"2026-05-28T20:26:40.169Z"),
        (1_780_000_000.46, b"2026-05-28T20:26:40.46Z"),
        (1_780_000_000.0, b"2026-05-28T20:26:40.0Z"),
    ],
)
def test_timestamp_cuts_trailing_zeros(moment: float, text: bytes) -> None:
    """One to three fraction digits occur in genuine receipts."""
    assert timestamp(moment) == text
