"""The default scene: a genuine software iPhone whose evidence passes. Each mutation changes one thing in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256, shake_256
from typing import Any

import cbor2
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import Evidence
from attestation.reference_values import AppleReferenceValues, ReferenceValues
from attestation.verify import verify

from devkit.devices.apple.app_attestation import AssertionDraft, AttestationDraft, AuthenticatorData
from devkit.devices.apple.generations import GENERATIONS, AppleGeneration
from devkit.devices.apple.iphone import AppAttestKey, SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority

NOW = 1_780_000_000.0
APP_ID = "ABCDE12345.org.example.demo"
CLIENT_DATA_HASH = sha256(b"client data").digest()


class Drawn:
    """Random bytes that are the same in every run."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return shake_256(f"{self._seed}/{self._count}".encode()).digest(size)


AUTHORITY = DeviceAuthority.create(Drawn("authority"))
OTHER_AUTHORITY = DeviceAuthority.create(Drawn("other authority"))


def endorsements_of(authority: DeviceAuthority) -> Endorsements:
    """The pinned roots and the test root, as a development stage has them."""
    anchor = TrustAnchor.of(read_certificate(authority.root_certificate))
    return pinned_endorsements().with_development_anchors([anchor])


ENDORSEMENTS = endorsements_of(AUTHORITY)
REFERENCE_VALUES = ReferenceValues(apple=AppleReferenceValues(app_ids=(APP_ID,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything the verifier is given."""

    evidence: Evidence
    client_data_hash: bytes = CLIENT_DATA_HASH
    reference_values: ReferenceValues = REFERENCE_VALUES
    endorsements: Endorsements = ENDORSEMENTS
    now: float = NOW
    attested_key: AttestedKey | None = None

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
        """The same evidence, judged against other Apple reference values."""
        assert self.reference_values.apple is not None
        return replace(self, reference_values=ReferenceValues(apple=replace(self.reference_values.apple, **changes)))


@dataclass(frozen=True, slots=True)
class Scene:
    """A phone with one key, and its evidence before it is sealed."""

    phone: SoftwareIphone
    key_id: str

    @classmethod
    def default(cls, release: str | AppleGeneration = "ios-27", **changes: Any) -> Scene:
        generation = GENERATIONS[release] if isinstance(release, str) else release
        arguments: dict[str, Any] = {
            "authority": AUTHORITY,
            "app_id": APP_ID,
            "generation": generation,
            "clock": lambda: NOW,
            "random": Drawn(f"phone {generation.name}"),
        }
        phone = SoftwareIphone(**(arguments | changes))
        return cls(phone, phone.generate_key())

    @property
    def key(self) -> AppAttestKey:
        return self.phone.keys[self.key_id]

    @property
    def attestation(self) -> AttestationDraft:
        return self.phone.attestation_draft(self.key_id, CLIENT_DATA_HASH)

    @property
    def authenticator_data(self) -> AuthenticatorData:
        return self.phone.authenticator_data(self.key_id)

    @property
    def assertion(self) -> AssertionDraft:
        return replace(self.phone.assertion_draft(self.key_id, CLIENT_DATA_HASH), counter=1)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change and the one reason it must be refused for. ``malformed`` tells the class of the error."""

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


def nested(depth: int) -> object:
    """Arrays in arrays."""
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


def indefinite_map(members: dict[Any, Any]) -> bytes:
    """A CBOR map of indefinite length (RFC 8949 §3.2.2)."""
    return b"\xbf" + b"".join(cbor2.dumps(k) + cbor2.dumps(v) for k, v in members.items()) + b"\xff"


def repeated_map(*members: tuple[Any, Any]) -> bytes:
    """A CBOR map that may repeat a key."""
    return bytes((0xA0 | len(members),)) + b"".join(cbor2.dumps(k) + cbor2.dumps(v) for k, v in members)
