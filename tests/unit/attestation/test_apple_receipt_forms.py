"""The freedom that genuine receipts take, and the forgery that a look at the CMS signature alone would miss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from attestation.apple.receipt import Receipt, ReceiptType, verify_receipt
from attestation.encoding import der
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, Reason
from attestation.evidence import AppleReceipt
from attestation.reference_values import AppleReferenceValues

from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.apple.receipt import ReceiptDraft, ReceiptForm, SignerInfo
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import Issuer
from devkit.devices.authority.der_writer import NULL, explicit, object_identifier, sequence, tlv

NOW = 1_780_000_000.0
APP_ID = "ABCDE12345.org.example.demo"
DIGEST = sha256(b"client data").digest()
AUTHORITY = DeviceAuthority.create()
PHONE = SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, generation=GENERATIONS["ios-26"], clock=lambda: NOW)
KEY_ID = PHONE.generate_key()
DRAFT = PHONE.receipt_draft(PHONE.attestation_draft(KEY_ID, DIGEST).leaf_certificate, DIGEST)


def endorsed(authority: DeviceAuthority) -> Endorsements:
    anchor = TrustAnchor.of(read_certificate(authority.root_certificate))
    return replace(pinned_endorsements(), apple_receipt=(anchor,))


def verified(receipt: bytes | ReceiptDraft, **changes: object) -> Receipt:
    arguments: dict[str, object] = {
        "attested_public_key": PHONE.keys[KEY_ID].point,
        "reference_values": AppleReferenceValues(app_ids=(APP_ID,)),
        "endorsements": endorsed(AUTHORITY),
        "now": NOW,
    }
    data = receipt if isinstance(receipt, bytes) else receipt.seal()
    return verify_receipt(AppleReceipt(data), **(arguments | changes))  # type: ignore[arg-type]


def reason_of(action: Callable[[], object]) -> Reason:
    with pytest.raises(AttestationError) as refusal:
        action()
    return refusal.value.reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-28T20:26:39Z", -1.0),
        ("2026-05-28T20:26:40.5Z", 0.5),
        ("2026-05-28T20:26:40.46Z", 0.46),
        ("2026-05-28T20:26:40.001Z", 0.001),
        ("2026-05-28T20:26:40.000001Z", 0.000001),
        ("2026-05-28T22:26:40+02:00", 0.0),
        ("2026-05-28T12:26:40.25-08:00", 0.25),
        ("2026-05-28t20:26:40z", 0.0),
    ],
)
def test_creation_time_is_read_with_any_fraction(text: str, seconds: float) -> None:
    """RFC 3339: none, one to three digits and more, and offsets."""
    receipt = verified(DRAFT.with_field(12, text))
    assert receipt.creation_time == pytest.approx(NOW + seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-28",
        "2026-05-28T20:26:40",
        "2026-05-28 20:26:40Z",
        "2026-05-28T20:26:40.Z",
        "2026-02-30T00:00:00Z",
        "2026-05-28T24:00:00Z",
        "2026-05-28T20:26:40+25:00",
        "2026-05-28T20:26:40Z\n",
        "２026-05-28T20:26:40Z",
        "9" * 400,
    ],
)
def test_creation_time_in_any_other_spelling_is_malformed(text: str) -> None:
    """The chain is judged at this time: a guess would be a hole."""
    assert reason_of(lambda: verified(DRAFT.with_field(12, text))) is Reason.STRUCTURE_INVALID


def test_fields_may_come_in_any_order() -> None:
    """Apple's SET is not sorted."""
    assert verified(replace(DRAFT, fields=DRAFT.fields[::-1])).type is ReceiptType.ATTEST


@pytest.mark.parametrize("form", list(ReceiptForm))
def test_exchanged_receipt_carries_the_risk_metric(form: ReceiptForm) -> None:
    """In both encodings that Apple uses."""
    receipt = verified(PHONE.exchange_receipt(replace(DRAFT, form=form), risk_metric=3))
    assert (receipt.type, receipt.risk_metric) == (ReceiptType.RECEIPT, 3)
    assert receipt.not_before == NOW + 86_400
    assert receipt.expiration_time == NOW + 90 * 86_400


def test_mangled_client_hash_of_an_exchanged_receipt_is_not_compared() -> None:
    """Apple returns it read as UTF-8: comparing it would refuse every exchanged receipt."""
    mangled = PHONE.exchange_receipt(DRAFT)
    assert verified(mangled, client_data_hash=DIGEST).client_hash != DIGEST
    assert reason_of(lambda: verified(DRAFT, client_data_hash=bytes(32))) is Reason.CHALLENGE_MISMATCH


def test_unknown_fields_are_kept_and_undocumented_ones_optional() -> None:
    """Apple adds fields; the environment is not documented."""
    receipt = verified(DRAFT.with_field(99, b"new").with_field(7, None).with_field(21, None).with_field(5, None))
    assert receipt.other == {99: b"new"}
    assert (receipt.environment, receipt.expiration_time, receipt.token) == (None, None, None)


def test_signer_whose_own_certificate_was_damaged_is_refused() -> None:
    """The CMS signature still verifies under the key in it, but Apple's CA did not sign that certificate."""
    signer = bytearray(DRAFT.certificates[0])
    signer[-1] ^= 1
    forged = replace(DRAFT, certificates=(bytes(signer), *DRAFT.certificates[1:]))
    assert reason_of(lambda: verified(forged)) is Reason.CHAIN_SIGNATURE


def test_receipt_of_another_root_that_calls_itself_by_the_same_name_is_refused() -> None:
    """The embedded root is no anchor."""
    other = DeviceAuthority.create()
    phone = SoftwareIphone(authority=other, app_id=APP_ID, clock=lambda: NOW)
    phone.keys[KEY_ID] = PHONE.keys[KEY_ID]
    forged = phone.receipt_draft(phone.attestation_draft(KEY_ID, DIGEST).leaf_certificate, DIGEST)
    assert verified(forged, endorsements=endorsed(other)).app_id == APP_ID
    assert reason_of(lambda: verified(forged)) is Reason.ANCHOR_UNKNOWN


def test_content_changed_after_signing_is_refused() -> None:
    """The signature covers the octets, wherever they were cut."""
    content = DRAFT.encode_fields().replace(b"ATTEST", b"attest")
    assert content != DRAFT.encode_fields()
    assert reason_of(lambda: verified(replace(DRAFT, content=content))) is Reason.RECEIPT_TYPE
    changed = DRAFT.with_field(2, "ZZZZZ99999.org.example.demo").encode_fields()
    assert reason_of(lambda: verified(replace(DRAFT, content=changed))) is Reason.RECEIPT_SIGNATURE


def test_two_certificates_that_fit_the_signer_are_ambiguous() -> None:
    """Issuer and serial number must name one."""
    doubled = replace(DRAFT, certificates=(DRAFT.certificates[0], *DRAFT.certificates))
    assert reason_of(lambda: verified(doubled)) is Reason.RECEIPT_SIGNER


def test_signer_need_not_come_first() -> None:
    """Nor is the first certificate taken for the signer."""
    assert verified(replace(DRAFT, certificates=DRAFT.certificates[::-1])).app_id == APP_ID


def test_signature_under_another_algorithm_is_refused() -> None:
    """ECDSA with SHA-256, and the signer info says so."""
    info = SignerInfo.over(DRAFT.encode_fields(), DRAFT.signer)
    other = replace(info, signature_algorithm=bytes.fromhex("300a06082a8648ce3d040303"))
    assert reason_of(lambda: verified(replace(DRAFT, signer_infos=(other,)))) is Reason.RECEIPT_SIGNATURE


def respelled(data: bytes, *, indefinite: bool, depth: int = 0, in_certificates: bool = False) -> bytes:
    """The same receipt in BER: every length of the envelope indefinite, or in four octets. Certificates stay DER."""
    out = b""
    for tag, start, stop in der.elements(data, 0, len(data)):
        value = data[start:stop]
        certificates = in_certificates or (depth == 3 and tag == der.context(0))
        identifier = bytes([tag])
        if certificates and depth >= 4:
            spelled = identifier + _length(len(value)) + value
        elif tag & 0x20:
            inner = respelled(value, indefinite=indefinite, depth=depth + 1, in_certificates=certificates)
            spelled = (
                identifier + b"\x80" + inner + b"\0\0"
                if indefinite
                else identifier + b"\x84" + len(inner).to_bytes(4) + inner
            )
        else:
            length = _length(len(value)) if indefinite else b"\x84" + len(value).to_bytes(4)
            spelled = identifier + length + value
        out += spelled
    return out


def _length(size: int) -> bytes:
    return tlv(0x04, bytes(size))[1:-size] if size else b"\0"


@pytest.mark.parametrize("indefinite", [True, False], ids=["indefinite", "long"])
def test_legal_ber_is_read_throughout(indefinite: bool) -> None:
    """Signer's name and algorithm included: how lengths are spelled changes nothing that is signed."""
    data = replace(DRAFT, form=ReceiptForm.DEFINITE).seal()
    odd = respelled(data, indefinite=indefinite)
    assert odd != data
    assert verified(odd) == verified(data)


def test_algorithm_with_null_parameters_is_the_same_algorithm() -> None:
    """RFC 5758 §3.2 forbids them; writers put them there, and they say nothing."""
    info = SignerInfo.over(DRAFT.encode_fields(), DRAFT.signer)
    odd = replace(info, signature_algorithm=sequence(object_identifier("1.2.840.10045.4.3.2"), NULL))
    assert verified(replace(DRAFT, signer_infos=(odd,))).app_id == APP_ID


@pytest.mark.parametrize("attributes", [b"", explicit(1), explicit(1, sequence(NULL))])
def test_unsigned_attributes_say_nothing(attributes: bytes) -> None:
    """RFC 5652 §5.3 allows them behind the signature."""
    info = replace(SignerInfo.over(DRAFT.encode_fields(), DRAFT.signer), unsigned_attributes=attributes)
    assert verified(replace(DRAFT, signer_infos=(info,))) == verified(DRAFT)


def _appended(data: bytes, path: tuple[int, ...], more: bytes) -> bytes:
    """``more`` behind the last element of the structure that ``path`` leads to."""
    if not path:
        return data + more
    parts = [(part.tag, part.value, part.raw) for part in der.Reader(data)]
    tag, value, _ = parts[path[0]]
    changed = tlv(tag, _appended(value, path[1:], more))
    return b"".join(changed if index == path[0] else raw for index, (_, _, raw) in enumerate(parts))


@pytest.mark.parametrize(
    "path",
    [
        (),
        (0,),
        (0, 1),
        (0, 1, 0),
        (0, 1, 0, 2),
        (0, 1, 0, 2, 1),
        (0, 1, 0, 4),
        (0, 1, 0, 4, 0),
        (0, 1, 0, 4, 0, 1),
    ],
    ids=str,
)
def test_element_more_than_the_envelope_has_is_malformed(path: tuple[int, ...]) -> None:
    """Nothing that we do not look at is let in beside what is signed."""
    data = replace(DRAFT, form=ReceiptForm.DEFINITE).seal()
    assert reason_of(lambda: verified(_appended(data, path, NULL))) is Reason.ENCODING_INVALID


def test_field_of_four_parts_is_malformed() -> None:
    """A field is number, version and value."""
    content = _appended(DRAFT.encode_fields(), (0, 0), NULL)
    assert reason_of(lambda: verified(replace(DRAFT, content=content))) is Reason.ENCODING_INVALID


def test_receipt_has_at_most_sixty_four_fields() -> None:
    """Apple's have ten."""
    draft = DRAFT
    for number in range(100, 100 + 64 - len(DRAFT.fields)):
        draft = draft.with_field(number, b"")
    assert len(verified(draft).other) == 64 - len(DRAFT.fields)
    assert reason_of(lambda: verified(draft.with_field(99, b""))) is Reason.STRUCTURE_INVALID


def test_every_field_is_returned_by_its_name() -> None:
    """As the phone and its authority wrote them; a number is no neighbour's."""
    receipt = verified(DRAFT)
    written = dict(DRAFT.fields)
    assert receipt.certificate == written[3]
    assert receipt.client_hash == DIGEST
    assert receipt.token == written[5].decode("ascii") != ""
    assert receipt.environment == written[7].decode("ascii") == "production"
    assert (receipt.not_before, receipt.risk_metric, receipt.other) == (None, None, {})


def test_receipt_signed_by_the_intermediate_is_refused() -> None:
    """A CA for application certificates is no signer of receipts."""
    authority = AUTHORITY.apple
    forged = replace(DRAFT, signer=Issuer(authority.receipt_ca.key, authority.receipt_ca.certificate))
    assert reason_of(lambda: verified(forged)) is Reason.RECEIPT_SIGNER


def test_missing_roots_are_our_own_fault() -> None:
    """Never a pass, never the sender's fault."""
    with pytest.raises(EndorsementsUnavailable):
        verified(DRAFT, endorsements=replace(pinned_endorsements(), apple_receipt=()))
