"""Every bit of App Attest evidence: flipped, or cut off behind it, nothing is accepted that was not declared unsigned.

The whole sweeps run under the marker ``exhaustive``; every test run takes a strided sample of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import pytest
from attestation.apple.attestation import read_attestation_object
from attestation.apple.receipt import verify_receipt
from attestation.attested_key import AttestedKey
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError
from attestation.evidence import AppleAssertion, AppleAttestation, AppleReceipt
from attestation.reference_values import AppleReferenceValues, Environment, ReferenceValues
from attestation.verify import verify
from bonafide_tokens.jose import b64url_decode

from bonafide.conformance.case_file import timestamp
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from tests.minted_claims import changed_claims
from tests.real_cases import real_case

NOW = 1_780_000_000.0
APP_ID = "ABCDE12345.org.example.demo"
DIGEST = sha256(b"client data").digest()
BOTH = frozenset(Environment)

WHOLE = pytest.param(1, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(97, id="sample")  # prime, so that every bit of a byte is met


@dataclass(frozen=True, slots=True)
class Subject:
    """Evidence that verifies, the function that verifies bytes in its place, and the bytes declared unsigned."""

    data: bytes
    judge: Callable[[bytes], object]
    unsigned: range = range(0)


def flips(data: bytes, stride: int) -> Iterator[tuple[int, bytes]]:
    """Every ``stride``-th single-bit flip, with the index of the byte it falls into."""
    changed = bytearray(data)
    for bit in range(0, len(data) * 8, stride):
        changed[bit >> 3] ^= 1 << (bit & 7)
        yield bit >> 3, bytes(changed)
        changed[bit >> 3] ^= 1 << (bit & 7)


def accepted(judge: Callable[[bytes], object], data: bytes) -> object | None:
    """What the judge returns, ``None`` when it refuses. Any error but ours ends the test."""
    try:
        return judge(data)
    except AttestationError:
        return None


def sweep(subject: Subject, stride: int) -> None:
    genuine = subject.judge(subject.data)
    outside = [
        index
        for index, data in flips(subject.data, stride)
        if (verdict := accepted(subject.judge, data)) is not None
        and (index not in subject.unsigned or verdict != genuine)
    ]
    assert outside == [], "flips accepted outside the bytes declared unsigned, or with other claims"
    truncations = range(0, len(subject.data), max(1, stride // 8))
    assert [end for end in truncations if accepted(subject.judge, subject.data[:end]) is not None] == []


def attestation_subject(data: bytes, **expected: object) -> Subject:
    parts = read_attestation_object(data)
    start = data.index(parts.receipt)
    assert data.count(parts.receipt) == 1

    def judge(changed: bytes) -> object:
        return changed_claims(verify(AppleAttestation(changed), **expected), receipt=None)  # type: ignore[arg-type]

    return Subject(data, judge, range(start, start + len(parts.receipt)))


@pytest.fixture(scope="module")
def phone() -> SoftwareIphone:
    return SoftwareIphone(
        authority=DeviceAuthority.create(), app_id=APP_ID, generation=GENERATIONS["ios-27"], clock=lambda: NOW
    )


def trusted(phone: SoftwareIphone) -> dict[str, object]:
    anchor = TrustAnchor.of(read_certificate(phone.authority.root_certificate))
    return {
        "reference_values": ReferenceValues(apple=AppleReferenceValues(app_ids=(APP_ID,))),
        "endorsements": pinned_endorsements().with_development_anchors([anchor]),
        "now": NOW,
        "client_data_hash": DIGEST,
    }


@pytest.mark.parametrize("stride", [SAMPLE, WHOLE])
def test_bits_of_a_minted_attestation_count_but_for_the_receipt(phone: SoftwareIphone, stride: int) -> None:
    """Accepted flips lie inside the receipt's value and change no claim; no truncation is accepted."""
    data = phone.attest_key(phone.generate_key(), DIGEST)
    sweep(attestation_subject(data, **trusted(phone)), stride)


@pytest.mark.parametrize("stride", [SAMPLE, WHOLE])
def test_bits_of_a_real_attestation_count_but_for_the_receipt(stride: int) -> None:
    """The same for Apple's own published sample, under Apple's root."""
    case = real_case("apple", "apple-guide-2024/attestation")
    subject = attestation_subject(
        b64url_decode(case["evidence"]["attestation_object"]),
        client_data_hash=b64url_decode(case["client_data_hash"]),
        reference_values=ReferenceValues(
            apple=AppleReferenceValues(app_ids=tuple(case["reference_values"]["apple"]["app_ids"]))
        ),
        endorsements=pinned_endorsements(),
        now=timestamp(case["at"]),
    )
    sweep(subject, stride)


def test_every_bit_of_an_assertion_counts(phone: SoftwareIphone) -> None:
    """An assertion has no unsigned byte. Small enough to be swept whole every time."""
    key_id = phone.generate_key()
    key = AttestedKey(public_key=phone.keys[key_id].point, apple_app_id=APP_ID)
    expected = trusted(phone)

    def judge(changed: bytes) -> object:
        return verify(AppleAssertion(changed), attested_key=key, **expected)  # type: ignore[arg-type]

    sweep(Subject(phone.generate_assertion(key_id, DIGEST), judge), 1)


@pytest.mark.parametrize("stride", [SAMPLE, WHOLE])
@pytest.mark.parametrize("origin", ["minted", "real"])
def test_bits_of_a_receipt_never_change_what_it_says(phone: SoftwareIphone, origin: str, stride: int) -> None:
    """CMS leaves bytes unsigned (the bag of certificates, repeated algorithm names), but never the fields."""
    if origin == "minted":
        data = read_attestation_object(phone.attest_key(phone.generate_key(), DIGEST)).receipt
        app_id, endorsements, now = APP_ID, trusted(phone)["endorsements"], NOW
    else:
        case = real_case("apple", "apple-guide-2024/receipt_attest")
        data = b64url_decode(case["evidence"]["receipt"])
        app_id = case["reference_values"]["apple"]["app_ids"][0]
        endorsements, now = pinned_endorsements(), timestamp(case["at"])

    def judge(changed: bytes) -> object:
        return verify_receipt(
            AppleReceipt(changed),
            attested_public_key=None,
            reference_values=AppleReferenceValues(app_ids=(app_id,), environments=BOTH),
            endorsements=endorsements,  # type: ignore[arg-type]
            now=now,
        )

    sweep(Subject(data, judge, range(len(data))), stride)
