"""Every bit of an Android chain: flipped, or cut off behind it, nothing is accepted that was not declared unsigned.

One factory chain and one remotely provisioned chain. The whole sweeps run under the marker ``exhaustive``; every test
run takes a strided sample of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import pytest
from attestation.android.key_attestation import verify_key_attestation
from attestation.android.play_integrity import verify_play_integrity
from attestation.android.revocation import StatusList
from attestation.claims import Claims
from attestation.encoding.certificate import read_certificate
from attestation.encoding.chain import LinkCache
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError
from attestation.evidence import AndroidKeyAttestation, PlayIntegrityToken
from attestation.reference_values import AndroidReferenceValues
from bonafide_tokens.jose import b64url_decode, b64url_encode

from bonafide.conformance.android_case_runners import android_endorsements, android_reference_values
from bonafide.conformance.case_file import read_case
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.play_integrity import ResponseKeys, verdict
from devkit.devices.android.releases import RELEASES
from devkit.devices.authority.authority import DeviceAuthority
from tests.real_cases import real_case

NOW = 1_780_000_000.0
PACKAGE = "org.example.demo"
SIGNER = sha256(b"signer").digest()
DIGEST = sha256(b"client data").digest()

WHOLE = pytest.param(1, marks=pytest.mark.exhaustive, id="whole")
SAMPLE = pytest.param(97, id="sample")  # prime, so that every bit of a byte is met


@dataclass(frozen=True, slots=True)
class Subject:
    """A chain that verifies, and everything it is judged by. Issuers' links are remembered over the sweep."""

    chain: tuple[bytes, ...]
    client_data_hash: bytes
    reference_values: AndroidReferenceValues
    endorsements: Endorsements
    now: float

    def judge(self, chain: Sequence[bytes], links: LinkCache) -> Claims:
        return verify_key_attestation(
            AndroidKeyAttestation(tuple(chain)),
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            links=links,
        )

    @property
    def unsigned(self) -> tuple[range, ...]:
        """Per certificate, the octets declared unsigned: an in-chain root counts by its key alone."""
        anchors = {anchor.spki for anchor in self.endorsements.android_attestation}
        last = read_certificate(self.chain[-1])
        whole = range(len(self.chain[-1])) if last.spki in anchors else range(0)
        return (*(range(0) for _ in self.chain[:-1]), whole)


def _minted(release: str) -> Subject:
    authority = DeviceAuthority.create()
    phone = SoftwareAndroid(
        authority=authority.android,
        package=PACKAGE,
        signer=SIGNER,
        release=replace(RELEASES[release], os_patch=202604),
        clock=lambda: NOW,
    )
    anchor = TrustAnchor.of(read_certificate(authority.root_certificate))
    return Subject(
        chain=phone.attest_key(phone.generate_key(), DIGEST),
        client_data_hash=DIGEST,
        reference_values=AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({SIGNER})),
        endorsements=pinned_endorsements().with_development_anchors([anchor]).with_android_status(StatusList({}, NOW)),
        now=NOW,
    )


def _real(name: str) -> Subject:
    case = read_case(real_case("android", name))
    assert case.client_data_hash is not None
    evidence = case.evidence["certificate_chain"]
    return Subject(
        chain=tuple(map(b64url_decode, evidence)),
        client_data_hash=case.client_data_hash,
        reference_values=android_reference_values(case),
        endorsements=android_endorsements(case),
        now=case.at,
    )


SUBJECTS = [
    pytest.param(lambda: _minted("pixel-5"), id="minted factory"),
    pytest.param(lambda: _minted("galaxy-s24"), id="minted rkp"),
    pytest.param(lambda: _minted("pixel-3-strongbox"), id="minted, full of deviations"),
    pytest.param(lambda: _real("grapheneos-attestationsamples/Pixel_5/tee"), id="real factory"),
    pytest.param(lambda: _real("android-keyattestation/caiman/sdk36/TEE_EC_RKP"), id="real rkp"),
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
        assert shorter == (genuine if index == len(chain) - 1 and subject.unsigned[-1] else None), index
        assert _accepted(subject, (*chain[: index + 1], *chain[index:]), links) is None, index
        for other in range(index):
            swapped = list(chain)
            swapped[index], swapped[other] = swapped[other], swapped[index]
            assert _accepted(subject, swapped, links) is None, (index, other)


@pytest.mark.parametrize("stride", [pytest.param(11, id="sample"), WHOLE])
def test_changed_character_of_an_integrity_token_is_refused(stride: int) -> None:
    """Every character of a classic token is authenticated, and each byte string has one spelling."""
    keys = ResponseKeys.create()
    members = verdict(package=PACKAGE, signer=SIGNER, now=NOW, nonce=b64url_encode(DIGEST))
    token = keys.classic_token(members)
    expected = AndroidReferenceValues(
        packages=(PACKAGE,), signing_digests=frozenset({SIGNER}), play_integrity=(keys.ours,)
    )

    def accepted(text: str) -> bool:
        try:
            verify_play_integrity(PlayIntegrityToken(text), client_data_hash=DIGEST, reference_values=expected, now=NOW)
        except AttestationError:
            return False
        return True

    assert accepted(token)
    for index in range(0, len(token), stride):
        for other in "A_.=":
            if token[index] != other:
                assert not accepted(token[:index] + other + token[index + 1 :]), index
        assert not accepted(token[:index])
