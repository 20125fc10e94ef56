"""The default scene: a genuine software Android whose evidence passes. Each mutation changes one thing in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from attestation.android.revocation import StatusList
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import AndroidKeyAttestation, Evidence
from attestation.reference_values import AndroidReferenceValues, ReferenceValues
from attestation.verify import verify
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android.device import ChainDraft, SoftwareAndroid
from devkit.devices.android.releases import RELEASES, AndroidRelease
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import CertificateTemplate, new_private_key, spki_of
from tests.unit.apple_mutations.scene import Drawn

NOW = 1_780_000_000.0
PACKAGE = "org.example.demo"
SIGNER = sha256(b"the signing certificate of the demo app").digest()
CLIENT_DATA = b'{"challenge":"..."}'
CLIENT_DATA_HASH = sha256(CLIENT_DATA).digest()

AUTHORITY = DeviceAuthority.create(Drawn("authority"))
OTHER_AUTHORITY = DeviceAuthority.create(Drawn("other authority"))
ANDROID = AUTHORITY.android
FORGED_KEY = new_private_key(ec.SECP256R1(), Drawn("a key in the attacker's hands"))


def endorsements_of(authority: DeviceAuthority, **statuses: str) -> Endorsements:
    """The pinned roots and the test root, with a fresh status list."""
    anchor = TrustAnchor.of(read_certificate(authority.root_certificate))
    return pinned_endorsements().with_development_anchors([anchor]).with_android_status(StatusList(statuses, NOW))


ENDORSEMENTS = endorsements_of(AUTHORITY)
REFERENCE_VALUES = ReferenceValues(
    android=AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({SIGNER}))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything the verifier is given."""

    evidence: Evidence
    client_data_hash: bytes = CLIENT_DATA_HASH
    reference_values: ReferenceValues = REFERENCE_VALUES
    endorsements: Endorsements = ENDORSEMENTS
    now: float = NOW
    attested_key: AttestedKey | None = None

    @classmethod
    def of(cls, chain: tuple[bytes, ...], **changes: Any) -> Question:
        return cls(evidence=AndroidKeyAttestation(chain), **changes)

    def ask(self) -> Claims:
        return verify(
            self.evidence,
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            attested_key=self.attested_key,
        )

    def expecting(self, **changes: Any) -> Question:
        """The same evidence, judged against other Android reference values."""
        assert self.reference_values.android is not None
        return replace(
            self, reference_values=ReferenceValues(android=replace(self.reference_values.android, **changes))
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """A phone with one key."""

    phone: SoftwareAndroid
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def default(cls, release: str | AndroidRelease = "galaxy-s24", **changes: Any) -> Scene:
        device = RELEASES[release] if isinstance(release, str) else release
        arguments: dict[str, Any] = {
            "authority": ANDROID,
            "package": PACKAGE,
            "signer": SIGNER,
            "version_code": 42,
            "release": device,
            "clock": lambda: NOW,
            "random": Drawn(f"phone {device.model} {device.schema}"),
        }
        phone = SoftwareAndroid(**(arguments | changes))
        return cls(phone, phone.generate_key())

    @property
    def draft(self) -> ChainDraft:
        return self.phone.draft(spki_of(self.key), CLIENT_DATA_HASH)


def claims_of(scene: Scene, **changes: Any) -> Claims:
    """What the scene's evidence proves."""
    return Question.of(scene.draft.chain(), **changes).ask()


def with_draft(change: Callable[[ChainDraft], ChainDraft], release: str = "galaxy-s24") -> Callable[[], Question]:
    """The default chain with one change before it is signed."""
    return lambda: Question.of(change(Scene.default(release).draft).chain())


def with_leaf(
    change: Callable[[CertificateTemplate], CertificateTemplate], release: str = "galaxy-s24"
) -> Callable[[], Question]:
    return with_draft(lambda draft: replace(draft, leaf=change(draft.leaf)), release)


def with_hardware(**changes: bytes | None) -> Callable[[], Question]:
    """Other hardware-enforced authorizations; ``t702=…`` stands for tag 702."""
    tags = {int(name[1:]): inner for name, inner in changes.items()}
    return with_draft(lambda draft: replace(draft, description=draft.description.with_hardware(tags)))


def with_software(**changes: bytes | None) -> Callable[[], Question]:
    tags = {int(name[1:]): inner for name, inner in changes.items()}
    return with_draft(lambda draft: replace(draft, description=draft.description.with_software(tags)))


def with_chain(
    change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]], release: str = "galaxy-s24"
) -> Callable[[], Question]:
    """The default chain with one change after it was signed."""
    return lambda: Question.of(change(Scene.default(release).draft.chain()))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change and the one reason it must be refused for."""

    name: str
    reason: Reason
    make: Callable[[], Any]
    kind: type[AttestationError] = field(default=RejectedEvidence)


def rejected(name: str, reason: Reason, make: Callable[[], Any]) -> Mutation:
    """Read, and false."""
    return Mutation(name, reason, make)


def malformed(name: str, reason: Reason, make: Callable[[], Any]) -> Mutation:
    """Cannot be read."""
    return Mutation(name, reason, make, MalformedEvidence)


def unavailable(name: str, reason: Reason, make: Callable[[], Any]) -> Mutation:
    """Cannot be judged now."""
    return Mutation(name, reason, make, EndorsementsUnavailable)
