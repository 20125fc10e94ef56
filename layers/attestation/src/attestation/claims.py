"""Claims: vendor-neutral facts that verified evidence proved, and the AR4SI vector computed from them.

Claims hold no secret and no personal data; they are stored with the attested key and go into decision records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import TypeVar

from .attested_key import key_id_of
from .reference_values import Environment

_T = TypeVar("_T")


@unique
class Platform(StrEnum):
    """Operating system family of the attester."""

    IOS = "ios"
    MACOS = "macos"


@unique
class KeyStorage(StrEnum):
    """Where the attested private key lives, as proved by the evidence (not as reported by the app)."""

    SOFTWARE = "software"
    TEE = "tee"
    STRONGBOX = "strongbox"
    SECURE_ENCLAVE = "secure-enclave"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleClaims:
    """What App Attest evidence says beyond the neutral claims.

    ``validation_category`` (iOS 27: 1 platform, 2 TestFlight, 3 development, 4 App Store, 5 enterprise or ad hoc,
    6 Developer ID, 10 none) and ``bundle_version`` are ``None`` on releases that do not send them: absent is not
    the same as "not allowed", policy tells them apart. ``full_security`` is the macOS 27 ACL verdict, ``None``
    elsewhere. ``risk_metric`` comes from an exchanged receipt: about how many keys this app attested on the device
    within 30 days.
    """

    os_build: str | None = None
    validation_category: int | None = None
    bundle_version: str | None = None
    full_security: bool | None = None
    receipt_verified: bool = False
    risk_metric: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Facts proved by one piece of verified evidence.

    ``public_key`` is the attested key as uncompressed point (EC) or SubjectPublicKeyInfo (other types).
    ``chain_profile`` tells how strictly the certificate chain was judged. ``counter`` is App Attest's signature
    counter, ``None`` where a format has none. ``findings`` are remarkable facts that appraisal may weigh.
    ``receipt`` is Apple's receipt, opaque bytes kept for the risk-metric exchange; it is not part of the record.
    """

    format: str
    platform: Platform
    app_id: str
    public_key: bytes
    key_storage: KeyStorage
    environment: Environment
    chain_profile: str
    counter: int | None = None
    os_version: str | None = None
    findings: tuple[str, ...] = ()
    apple: AppleClaims | None = None
    receipt: bytes | None = None

    @property
    def key_id(self) -> str:
        """Unpadded base64url SHA-256 of the attested key."""
        return key_id_of(self.public_key)

    def renewed(self, newer: Claims) -> Claims:
        """Enrolment claims brought up to date by a renewal's: newer facts win, what a renewal cannot say stays."""
        apple = self.apple
        if apple is not None and newer.apple is not None:
            apple = replace(
                apple,
                validation_category=_newer(newer.apple.validation_category, apple.validation_category),
                bundle_version=_newer(newer.apple.bundle_version, apple.bundle_version),
            )
        findings = tuple(dict.fromkeys(self.findings + newer.findings))
        return replace(self, counter=_newer(newer.counter, self.counter), findings=findings, apple=apple)

    def to_record(self) -> dict[str, object]:
        """JSON-ready facts for storage and decision records: no receipt, no ``None``."""
        apple = self.apple
        record: dict[str, object] = {
            "format": self.format,
            "platform": self.platform.value,
            "app_id": self.app_id,
            "public_key": self.public_key.hex(),
            "key_storage": self.key_storage.value,
            "environment": self.environment.value,
            "chain_profile": self.chain_profile,
            "counter": self.counter,
            "os_version": self.os_version,
            "findings": list(self.findings),
            "apple": None if apple is None else _present({name: getattr(apple, name) for name in apple.__slots__}),
        }
        return _present(record)

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Claims:
        """The claims that :meth:`to_record` wrote. For our own store; not a parser of foreign input."""
        facts = dict(record)
        apple = facts.pop("apple", None)
        facts["public_key"] = bytes.fromhex(str(facts["public_key"]))
        facts["platform"] = Platform(str(facts["platform"]))
        facts["key_storage"] = KeyStorage(str(facts["key_storage"]))
        facts["environment"] = Environment(str(facts["environment"]))
        facts["findings"] = tuple(facts.get("findings", ()))  # type: ignore[arg-type]
        if isinstance(apple, Mapping):
            facts["apple"] = AppleClaims(**apple)
        return cls(**facts)  # type: ignore[arg-type]


def _newer(newer: _T | None, older: _T | None) -> _T | None:
    return older if newer is None else newer


def _present(record: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in record.items() if value is not None}
