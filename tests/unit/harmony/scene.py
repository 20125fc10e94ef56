"""The default scene: a genuine software HarmonyOS device whose evidence passes; each mutation changes one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from attestation.claims import Claims, HarmonyIntegrityClaims
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import AttestationKind, HarmonyDeviceIntegrity, HarmonyKeyAttestation, IntegrityProfile
from attestation.harmony.device_integrity import verify_device_integrity
from attestation.reference_values import HarmonyReferenceValues, ReferenceValues
from attestation.verify import verify
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import new_private_key, spki_of
from devkit.devices.harmony.device import RELEASES, ChainDraft, SoftwareHarmony
from devkit.devices.harmony.integrity_draft import TokenDraft
from tests.unit.apple_mutations.scene import Drawn

NOW = 1_780_000_000.0
BUNDLE = "org.example.demo"
CLIENT_DATA = b'{"challenge":"..."}'
DIGEST = sha256(CLIENT_DATA).digest()

AUTHORITY = DeviceAuthority.create(Drawn("authority"))
OTHER_AUTHORITY = DeviceAuthority.create(Drawn("other authority"))
HARMONY = AUTHORITY.harmony
SIGNER = new_private_key(ec.SECP256R1(), Drawn("the app's signing key")).public_key()
FORGED_KEY = new_private_key(ec.SECP256R1(), Drawn("a key in the attacker's hands"))

HMS, NEXT, ENHANCED = IntegrityProfile.HMS, IntegrityProfile.NEXT, IntegrityProfile.ENHANCED


def anchor_of(authority: DeviceAuthority) -> TrustAnchor:
    return TrustAnchor.of(read_certificate(authority.root_certificate))


ENDORSEMENTS = pinned_endorsements().with_development_anchors([anchor_of(AUTHORITY)])


def device_of(release: str = "harmony-6", **changes: Any) -> SoftwareHarmony:
    """A device with a still clock and repeatable keys."""
    arguments: dict[str, Any] = {
        "authority": HARMONY,
        "bundle_name": BUNDLE,
        "signer": SIGNER,
        "release": RELEASES[release],
        "clock": lambda: NOW,
        "random": Drawn(f"device {release}"),
    }
    return SoftwareHarmony(**(arguments | changes))


EXPECTED = HarmonyReferenceValues(bundle_names=(BUNDLE,), app_ids=(device_of().app_id, device_of().agc_app_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuestion:
    """Everything that the verifier of HUKS attestations is given."""

    chain: tuple[bytes, ...]
    kind: AttestationKind = AttestationKind.ANONYMOUS
    client_data_hash: bytes = DIGEST
    expected: HarmonyReferenceValues | None = EXPECTED
    endorsements: Endorsements = ENDORSEMENTS
    now: float = NOW

    def ask(self) -> Claims:
        return verify(
            HarmonyKeyAttestation(self.chain, self.kind),
            client_data_hash=self.client_data_hash,
            reference_values=ReferenceValues(harmony=self.expected),
            endorsements=self.endorsements,
            now=self.now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuestion:
    """Everything that the verifier of integrity tokens is given."""

    token: str
    profile: IntegrityProfile
    client_data_hash: bytes = DIGEST
    expected: HarmonyReferenceValues = EXPECTED
    endorsements: Endorsements = ENDORSEMENTS
    now: float = NOW

    def ask(self) -> HarmonyIntegrityClaims:
        return verify_device_integrity(
            HarmonyDeviceIntegrity(self.profile, self.token),
            client_data_hash=self.client_data_hash,
            reference_values=self.expected,
            endorsements=self.endorsements,
            now=self.now,
        )


def chain_draft(device: SoftwareHarmony | None = None, **options: Any) -> ChainDraft:
    """The chain of a new key of the default device."""
    device = device or device_of()
    return device.draft(spki_of(device.generate_key()), DIGEST, **options)


def token_draft(profile: IntegrityProfile, **changes: Any) -> TokenDraft:
    """The token of the default device under one profile."""
    return device_of(profile=profile, **changes).token_draft(DIGEST)


def with_chain(change: Callable[[ChainDraft], ChainDraft]) -> Callable[[], KeyQuestion]:
    """The default chain with one change before it is signed."""
    return lambda: KeyQuestion(chain=change(chain_draft()).chain())


def with_token(profile: IntegrityProfile, change: Callable[[TokenDraft], TokenDraft]) -> Callable[[], TokenQuestion]:
    """The default token of a profile with one change before it is sealed."""
    return lambda: TokenQuestion(token=change(token_draft(profile)).seal(), profile=profile)


def with_payload(profile: IntegrityProfile, **members: object) -> Callable[[], TokenQuestion]:
    """The default token of a profile with other payload members; ``None`` leaves one out."""
    return with_token(profile, lambda draft: draft.with_payload(**members))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change, and how it must be refused."""

    name: str
    reason: Reason
    make: Callable[[], KeyQuestion | TokenQuestion]
    kind: type[AttestationError] = RejectedEvidence


def malformed(name: str, reason: Reason, make: Callable[[], KeyQuestion | TokenQuestion]) -> Mutation:
    """A change after which the evidence cannot be read."""
    return Mutation(name, reason, make, MalformedEvidence)


def unavailable(name: str, reason: Reason, make: Callable[[], KeyQuestion | TokenQuestion]) -> Mutation:
    """A change on our own side."""
    return Mutation(name, reason, make, EndorsementsUnavailable)


def asking(question: KeyQuestion, **changes: Any) -> Callable[[], KeyQuestion]:
    return lambda: replace(question, **changes)
