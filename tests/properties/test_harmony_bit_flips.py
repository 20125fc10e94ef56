"""Every bit of HarmonyOS evidence: flipped, or cut off, nothing is accepted that was not declared unsigned.

HUKS chains in their three forms, minted and real, and SysIntegrity tokens of every profile. The whole sweeps run under
the marker ``exhaustive``; every test run takes a strided sample of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pytest
from attestation.claims import Claims, HarmonyIntegrityClaims
from attestation.encoding.certificate import read_certificate
from attestation.encoding.chain import LinkCache
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError
from attestation.evidence import AttestationKind, HarmonyDeviceIntegrity, HarmonyKeyAttestation, IntegrityProfile
from attestation.harmony.device_integrity import verify_device_integrity
from attestation.harmony.key_attestation import verify_key_attestation
from attestation.reference_values import HarmonyReferenceValues
from bonafide_tokens.jose import b64url_decode
from cryptography.hazmat.primitives.asymmetric import ec

from bonafide.conformance.case_file import read_case
from bonafide.conformance.harmony_case_runners import harmony_endorsements, harmony_reference_values
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.harmony.device import SoftwareHarmony
from tests.real_cases import real_case

NOW = 1_780_000_000.0
BUNDLE = "org.example.demo"
DIGEST = sha256(b"client data").digest()
ANONYMOUS, NON_ANONYMOUS = AttestationKind.ANONYMOUS, AttestationKind.NON_ANONYMOUS

WHOLE = pytest.param(1, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(97, id="sample")  # prime, so that every bit of a byte is met


@dataclass(frozen=True, slots=True)
class Subject:
    """A chain that verifies, and everything it is judged by. Issuers' links are remembered over the sweep."""

    chain: tuple[bytes, ...]
    kind: AttestationKind
    client_data_hash: bytes
    reference_values: HarmonyReferenceValues
    endorsements: Endorsements
    now: float

    def judge(self, chain: Sequence[bytes], links: LinkCache) -> Claims:
        return verify_key_attestation(
            HarmonyKeyAttestation(tuple(chain), self.kind),
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            links=links,
        )

    @property
    def unsigned(self) -> tuple[range, ...]:
        """Per certificate, the octets declared unsigned: an in-chain root counts by its key alone."""
        anchors = {anchor.spki for anchor in self.endorsements.harmony_anonymous}
        anchors |= {anchor.spki for anchor in self.endorsements.harmony_non_anonymous}
        last = read_certificate(self.chain[-1])
        whole = range(len(self.chain[-1])) if last.spki in anchors else range(0)
        return (*(range(0) for _ in self.chain[:-1]), whole)


def _device(profile: IntegrityProfile = IntegrityProfile.ENHANCED) -> SoftwareHarmony:
    return SoftwareHarmony(
        authority=DeviceAuthority.create().harmony,
        bundle_name=BUNDLE,
        signer=ec.derive_private_key(7, ec.SECP256R1()).public_key(),
        profile=profile,
        clock=lambda: NOW,
    )


def _endorsements(device: SoftwareHarmony) -> Endorsements:
    anchor = TrustAnchor.of(read_certificate(device.authority.root_certificate))
    return pinned_endorsements().with_development_anchors([anchor])


def _expected(device: SoftwareHarmony) -> HarmonyReferenceValues:
    return HarmonyReferenceValues(bundle_names=(BUNDLE,), app_ids=(device.app_id, device.agc_app_id))


def _minted(kind: AttestationKind = ANONYMOUS, *, offline: bool = False) -> Subject:
    device = _device()
    draft = device.draft(spki_of(device.generate_key()), DIGEST, kind=kind, offline=offline)
    return Subject(draft.chain(), kind, DIGEST, _expected(device), _endorsements(device), NOW)


def _real(name: str, kind: AttestationKind) -> Subject:
    case = read_case(real_case("harmony", name))
    assert case.client_data_hash is not None
    chain = tuple(map(b64url_decode, case.evidence["certificate_chain"]))
    expected, endorsements = harmony_reference_values(case), harmony_endorsements(case)
    return Subject(chain, kind, case.client_data_hash, expected, endorsements, case.at)


SUBJECTS = [
    pytest.param(_minted, id="minted anonymous"),
    pytest.param(lambda: _minted(offline=True), id="minted offline"),
    pytest.param(lambda: _minted(NON_ANONYMOUS), id="minted non-anonymous"),
    pytest.param(lambda: _real("huks/real-anonymous-2025", ANONYMOUS), id="real anonymous"),
    pytest.param(lambda: _real("huks/real-nonanonymous-x25519", NON_ANONYMOUS), id="real non-anonymous"),
]


def _accepted(subject: Subject, chain: Sequence[bytes], links: LinkCache) -> Claims | None:
    """The claims, ``None`` when refused. Any error but ours ends the test."""
    try:
        return subject.judge(chain, links)
    except AttestationError:
        return None


@pytest.mark.parametrize("make", SUBJECTS)
@pytest.mark.parametrize("stride", [SAMPLE, WHOLE])
def test_flipped_bit_is_refused_or_was_declared_unsigned(make: Callable[[], Subject], stride: int) -> None:
    """Only the in-chain root may change, but for its key, and then the claims stay the same."""
    subject = make()
    links = LinkCache(64)
    genuine = subject.judge(subject.chain, links)
    outside = []
    for index, certificate in enumerate(subject.chain):
        changed = bytearray(certificate)
        for bit in range(index, len(certificate) * 8, stride):
            changed[bit >> 3] ^= 1 << (bit & 7)
            claims = _accepted(subject, (*subject.chain[:index], bytes(changed), *subject.chain[index + 1 :]), links)
            changed[bit >> 3] ^= 1 << (bit & 7)
            if claims is not None and (bit >> 3 not in subject.unsigned[index] or claims != genuine):
                outside.append((index, bit >> 3))
    assert outside == [], "flips accepted outside the octets declared unsigned, or with other claims"


@pytest.mark.parametrize("make", SUBJECTS)
@pytest.mark.parametrize("stride", [pytest.param(13, id="sample"), WHOLE])
def test_truncated_certificate_is_refused(make: Callable[[], Subject], stride: int) -> None:
    """Wherever it is cut."""
    subject = make()
    links = LinkCache(64)
    for index, certificate in enumerate(subject.chain):
        for end in range(0, len(certificate), stride):
            chain = (*subject.chain[:index], certificate[:end], *subject.chain[index + 1 :])
            assert _accepted(subject, chain, links) is None, (index, end)


@pytest.mark.parametrize("make", SUBJECTS)
def test_certificates_left_out_swapped_or_repeated_are_refused(make: Callable[[], Subject]) -> None:
    """But for the root, which may be left out: the order is the sender's and is not repaired."""
    subject, links = make(), LinkCache(64)
    chain, genuine = subject.chain, subject.judge(subject.chain, LinkCache(64))
    for index in range(len(chain)):
        shorter = _accepted(subject, (*chain[:index], *chain[index + 1 :]), links)
        assert shorter == (genuine if index == len(chain) - 1 else None), index
        assert _accepted(subject, (*chain[: index + 1], *chain[index:]), links) is None, index
        for other in range(index):
            swapped = list(chain)
            swapped[index], swapped[other] = swapped[other], swapped[index]
            assert _accepted(subject, swapped, links) is None, (index, other)


@pytest.mark.parametrize("profile", IntegrityProfile)
@pytest.mark.parametrize("stride", [pytest.param(31, id="sample"), WHOLE])
def test_changed_or_cut_character_of_an_integrity_token_is_refused(profile: IntegrityProfile, stride: int) -> None:
    """Header, certificates, payload and signature: every character is authenticated, and has one spelling."""
    device = _device(profile)
    token = device.check_integrity(DIGEST)
    expected, endorsements, links = _expected(device), _endorsements(device), LinkCache(64)

    def accepted(text: str) -> HarmonyIntegrityClaims | None:
        try:
            return verify_device_integrity(
                HarmonyDeviceIntegrity(profile, text),
                client_data_hash=DIGEST,
                reference_values=expected,
                endorsements=endorsements,
                now=NOW,
                links=links,
            )
        except AttestationError:
            return None

    assert accepted(token) is not None
    for index in range(0, len(token), stride):
        for other in "A_.=":
            if token[index] != other:
                assert accepted(token[:index] + other + token[index + 1 :]) is None, index
        assert accepted(token[:index]) is None
