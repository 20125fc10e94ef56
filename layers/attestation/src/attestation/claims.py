"""Claims: vendor-neutral facts that verified evidence proved, and the AR4SI vector computed from them.

Claims hold no secret and no personal data; they are stored with the attested key and go into decision records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, asdict, dataclass, fields, replace
from enum import StrEnum, unique
from hashlib import sha256
from typing import Any, TypeVar

from attestation.apple.authenticator_data import CATEGORY_UNREAD, DATA_UNREAD
from attestation.encoding.jose import b64url_encode
from attestation.errors import Reason, RejectedEvidence
from attestation.key_facts import KeyStorage as KeyStorage
from attestation.key_facts import PassClaims
from attestation.reference_values import Environment
from attestation.seal import Seal

_T = TypeVar("_T")


@unique
class Platform(StrEnum):
    """Operating system family of the attester."""

    IOS = "ios"
    MACOS = "macos"
    ANDROID = "android"
    HARMONY = "harmony"


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
class PlayClaims:
    """What a Play Integrity verdict says. Labels are open texts: Google adds new ones, and an unknown one never helps.

    ``token`` is ``classic`` or ``standard``; ``requested_at`` Unix seconds by Google's clock. ``device_labels`` are
    empty on rooted devices and emulators; ``package``, ``version_code`` and ``signing_digests`` (hex) are absent where
    Google did not evaluate the app; ``requested_by`` is the package that asked, in its own word. ``None`` and an empty
    tuple differ in ``apps_detected``: not evaluated, or nothing found. ``unread`` names members that came in a form
    that is not documented, and therefore count as absent.
    """

    token: str
    requested_at: float
    requested_by: str | None = None
    app_recognition: str | None = None
    package: str | None = None
    version_code: int | None = None
    signing_digests: tuple[str, ...] = ()
    device_labels: tuple[str, ...] = ()
    sdk_version: int | None = None
    device_activity: str | None = None
    licensing: str | None = None
    play_protect: str | None = None
    apps_detected: tuple[str, ...] | None = None
    location_spoofing: tuple[str, ...] = ()
    testing: bool = False
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidClaims:
    """What Android key attestation says beyond the neutral claims.

    Security levels are 0 software, 1 TEE, 2 StrongBox: ``security_level`` of the attester, ``key_security_level`` of
    the key. ``strongbox_certified`` says whether the chain, too, speaks of a StrongBox (``None``: it says nothing); a
    leaked TEE keybox can write StrongBox into its statement, but not into its chain.
    ``provisioning`` is ``factory``, ``rkp`` or ``unknown``; ``certificates_issued`` and ``manufacturer`` come from a
    remotely provisioned batch. ``verified_boot_state`` is ``verified``, ``self-signed``, ``unverified`` or ``failed``;
    ``boot_key_listed`` says whether the app's owner lists ``verified_boot_key`` (hex) as another system to trust.
    Versions and patch levels are the device's own numbers (130000, 202303, 20230305; 0 or odd ones occur).
    ``packages`` with ``package_version`` (of the app at hand) and ``signing_digests`` (hex) are the operating system's
    word: worth as much as the boot state. ``user_authentication`` says whether the key waits for its user.
    ``key_algorithm`` other than ``ec-p256`` cannot sign renewals. ``unknown_tags`` belong to a newer schema.
    ``chain_serials`` (lower-case hex) are the serials that were looked up in Google's status list, ``chain_names`` the
    serial numbers in their issuers' subjects, to be looked up again at every renewal. ``play_skipped`` says why a Play
    Integrity token that was sent is not judged: ``quota`` or ``unavailable``. ``play_expected`` is the owner's dial,
    not the device's word: this app sends verdicts.
    """

    attestation_version: int
    keymint_version: int
    security_level: int
    key_security_level: int
    strongbox_certified: bool | None = None
    provisioning: str
    verified_boot_state: str
    device_locked: bool
    verified_boot_key: str
    boot_key_listed: bool
    verified_boot_hash: str | None = None
    os_version: int | None = None
    os_patch_level: int | None = None
    vendor_patch_level: int | None = None
    boot_patch_level: int | None = None
    origin: int
    purposes: tuple[int, ...]
    key_algorithm: str
    user_authentication: bool
    packages: tuple[str, ...]
    package_version: int
    signing_digests: tuple[str, ...]
    certificates_issued: int | None = None
    manufacturer: str | None = None
    unknown_tags: tuple[int, ...] = ()
    chain_serials: tuple[str, ...] = ()
    chain_names: tuple[str, ...] = ()
    play: PlayClaims | None = None
    play_skipped: str | None = None
    play_expected: bool = False

    @property
    def device_certificate(self) -> str | None:
        """The serial of the certificate that Google gave to this one device; ``None`` where thousands share one.

        In remotely provisioned chains it stands below Google's two CAs, and the leaf, if its serial counts, below it.
        """
        return self.chain_serials[-3] if self.provisioning == "rkp" and len(self.chain_serials) >= 3 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonyIntegrityClaims:
    """What a SysIntegrity token says. ``profile`` is ``hms``, ``next`` or ``enhanced``.

    ``checked_at`` is Unix seconds by Huawei's clock. ``details`` are Huawei's words as they came (``root``,
    ``unlocked``, ``jailbreak``, ``emulator``, ``attack`` …): open texts, and any of them counts against the device.
    ``advice`` is what Huawei suggests to the user. ``app_id`` is the app's number in AppGallery Connect;
    ``signing_digests`` (hex) are of the app as the service saw it. ``unread`` names optional members that came in a
    form that is not documented, and so count as absent. ``signer_is_ca`` says that a CA signed the token itself,
    which a phone with a CA of its own could have done as well (profile ``enhanced`` only; others are refused then).
    """

    profile: str
    checked_at: float
    basic_integrity: bool
    details: tuple[str, ...] = ()
    bundle_name: str
    app_id: str | None = None
    signing_digests: tuple[str, ...] = ()
    version: int | None = None
    advice: str | None = None
    unread: tuple[str, ...] = ()
    signer_is_ca: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonyClaims:
    """What a HUKS key attestation says beyond the neutral claims, and the device integrity beside it.

    ``kind`` is ``anonymous`` or ``non-anonymous``. ``app_id`` is ``<bundle name>_<base64 of the signing key>``;
    ``app_identifier`` and ``app_mode`` (``release``, ``debug``) are ``None`` before API 20. ``key_origin`` is
    ``generated``, or ``None`` where the release does not say; ``key_origin_level`` is who says it. Levels are 2 for the
    operating system and 3 for the TEE; ``key_manager_level`` decides where the key lives, ``claim_levels`` has all of
    them by name. ``key_algorithm`` other than ``ec-p256`` cannot sign renewals or proofs. ``model`` is the operating
    system's word. ``key_purposes`` is HUKS's bit set, ``device_security_level`` the device certificate's own statement
    (non-anonymous chains). ``boot_state`` is always ``not-proved``: no HUKS attestation says how the device booted,
    which is why ``integrity`` is asked for beside it. Identifiers of the device are never kept.
    """

    kind: str
    bundle_name: str
    app_id: str
    app_identifier: str | None = None
    app_mode: str | None = None
    key_origin: str | None = None
    key_origin_level: int | None = None
    key_manager_level: int | None = None
    key_algorithm: str
    key_purposes: int | None = None
    model: str | None = None
    device_security_level: int | None = None
    claim_levels: Mapping[str, int]
    boot_state: str = "not-proved"
    simulator: bool = False
    integrity: HarmonyIntegrityClaims | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Facts proved by one piece of verified evidence: a caller that holds claims holds their proof (see :class:`Seal`).

    ``public_key`` is the attested key as uncompressed point (EC) or SubjectPublicKeyInfo (other types).
    ``chain_profile`` tells how strictly the certificate chain was judged, ``anchor`` which trust anchor it ended in
    (SHA-256 of its key, hex), for renewals to ask whether it is still one. ``counter`` is App Attest's signature
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
    anchor: str | None = None
    counter: int | None = None
    os_version: str | None = None
    findings: tuple[str, ...] = ()
    apple: AppleClaims | None = None
    android: AndroidClaims | None = None
    harmony: HarmonyClaims | None = None
    test_pass: PassClaims | None = None
    receipt: bytes | None = None
    seal: InitVar[Seal]

    def __post_init__(self, seal: Seal) -> None:
        if not isinstance(seal, Seal):
            raise TypeError("only verifiers make claims")

    @property
    def key_id(self) -> str:
        """Unpadded base64url SHA-256 of the attested key."""
        return key_id_of(self.public_key)

    def renewed(self, newer: Claims) -> Claims:
        """Enrolment claims brought up to date by a renewal's: newer facts win, what a renewal cannot say stays.

        A finding stays as well, unless it is about something that the renewal states again, readably.
        """
        apple = self.apple
        if apple is not None and newer.apple is not None:
            apple = replace(
                apple,
                validation_category=_newer(newer.apple.validation_category, apple.validation_category),
                bundle_version=_newer(newer.apple.bundle_version, apple.bundle_version),
            )
        android = self.android
        if android is not None and newer.android is not None:
            android = replace(
                android, play=_newer(newer.android.play, android.play), play_skipped=newer.android.play_skipped
            )
        harmony = self.harmony
        if harmony is not None and newer.harmony is not None:
            harmony = replace(harmony, integrity=_newer(newer.harmony.integrity, harmony.integrity))
        settled = _settled_by(newer.apple)
        kept = tuple(finding for finding in self.findings if finding not in settled)
        findings = tuple(dict.fromkeys(kept + newer.findings))
        return replace(
            self,
            seal=Seal.VERIFIED,
            counter=_newer(newer.counter, self.counter),
            findings=findings,
            apple=apple,
            android=android,
            harmony=harmony,
        )

    def with_play(self, play: PlayClaims) -> Claims:
        """These claims with a Play Integrity verdict over the same client data. For Android claims only.

        The verdict must be about the app of the key, or one that shares its user id and so its key: an owner of two
        apps could otherwise combine the sound one's verdict with the other's key.
        """
        if self.android is None:
            raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a Play Integrity verdict with a key of another platform")
        if any(name is not None and name not in self.android.packages for name in (play.package, play.requested_by)):
            raise RejectedEvidence(Reason.APP_MISMATCH, "key and Play Integrity verdict are of two different apps")
        return replace(self, seal=Seal.VERIFIED, android=replace(self.android, play=play, play_skipped=None))

    def without_play(self, cause: str) -> Claims:
        """These claims with a Play Integrity token that was not opened, for ``cause``. For Android claims only."""
        if self.android is None:
            raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a Play Integrity token with a key of another platform")
        return replace(self, seal=Seal.VERIFIED, android=replace(self.android, play_skipped=cause))

    def with_risk_metric(self, metric: int) -> Claims:
        """These claims with the metric of an exchanged receipt that was verified for the same key. For Apple's only."""
        if self.apple is None:
            raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "Apple's risk metric with a key of another platform")
        return replace(self, seal=Seal.VERIFIED, apple=replace(self.apple, risk_metric=metric))

    def with_device_integrity(self, integrity: HarmonyIntegrityClaims) -> Claims:
        """These claims with a SysIntegrity verdict over the same client data. For HarmonyOS claims only."""
        if self.harmony is None:
            raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a SysIntegrity verdict with a key of another platform")
        if integrity.bundle_name != self.harmony.bundle_name:
            raise RejectedEvidence(Reason.APP_MISMATCH, "key and device integrity are of two different apps")
        return replace(self, seal=Seal.VERIFIED, harmony=replace(self.harmony, integrity=integrity))

    def to_record(self) -> dict[str, object]:
        """JSON-ready facts for storage and decision records: no receipt, no ``None``."""
        record: dict[str, object] = {
            "format": self.format,
            "platform": self.platform.value,
            "app_id": self.app_id,
            "public_key": self.public_key.hex(),
            "key_storage": self.key_storage.value,
            "environment": self.environment.value,
            "chain_profile": self.chain_profile,
            "anchor": self.anchor,
            "counter": self.counter,
            "os_version": self.os_version,
            "findings": list(self.findings),
            "apple": None if self.apple is None else _present(asdict(self.apple)),
            "android": None if self.android is None else _present(asdict(self.android)),
            "harmony": None if self.harmony is None else _present(asdict(self.harmony)),
            "test_pass": None if self.test_pass is None else _present(asdict(self.test_pass)),
        }
        return _present(record)

    @classmethod
    def of_stored_key(cls, record: Mapping[str, object]) -> Claims:
        """The claims that :meth:`to_record` wrote into a key's row, verified before they were stored.

        For our own store; neither a verifier nor a parser of foreign input.
        Members that are not known here are left out: a newer release wrote them, before a rollback to this one.
        """
        facts = _known(cls, record)
        apple, android, harmony = (facts.pop(name, None) for name in ("apple", "android", "harmony"))
        facts["public_key"] = bytes.fromhex(str(facts["public_key"]))
        facts["platform"] = Platform(str(facts["platform"]))
        facts["key_storage"] = KeyStorage(str(facts["key_storage"]))
        facts["environment"] = Environment(str(facts["environment"]))
        facts["findings"] = tuple(facts.get("findings", ()))
        if isinstance(bounds := facts.pop("test_pass", None), Mapping):
            facts["test_pass"] = PassClaims(**_known(PassClaims, bounds))
        if isinstance(apple, Mapping):
            facts["apple"] = AppleClaims(**_known(AppleClaims, apple))
        if isinstance(android, Mapping):
            inner = _known(AndroidClaims, android)
            play = inner.get("play")
            inner["play"] = PlayClaims(**_known(PlayClaims, play)) if isinstance(play, Mapping) else None
            facts["android"] = AndroidClaims(**inner)
        if isinstance(harmony, Mapping):
            inner = _known(HarmonyClaims, harmony)
            integrity = inner.get("integrity")
            inner["integrity"] = (
                HarmonyIntegrityClaims(**_known(HarmonyIntegrityClaims, integrity))
                if isinstance(integrity, Mapping)
                else None
            )
            facts["harmony"] = HarmonyClaims(**inner)
        return cls(seal=Seal.VERIFIED, **facts)


def _settled_by(apple: AppleClaims | None) -> frozenset[str]:
    """The findings about extensions that this assertion sends readably."""
    if apple is None:
        return frozenset()
    sent = ((CATEGORY_UNREAD, apple.validation_category), (DATA_UNREAD, apple.bundle_version))
    return frozenset(finding for finding, value in sent if value is not None)


def _newer(newer: _T | None, older: _T | None) -> _T | None:
    return older if newer is None else newer


def _present(record: Mapping[str, object]) -> dict[str, object]:
    """Without ``None``, at every depth, and with lists for tuples, as JSON would have it."""
    present: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            present[name] = _present(value)
        elif value is not None:
            present[name] = list(value) if isinstance(value, tuple) else value
    return present


def _known(kind: type[Any], record: Mapping[str, object]) -> dict[str, Any]:
    """The members of ``record`` that ``kind`` has, with tuples for JSON's lists."""
    return {
        member.name: tuple(value) if isinstance(value := record[member.name], list) else value
        for member in fields(kind)
        if member.name in record
    }


def key_id_of(public_key: bytes) -> str:
    """The key's name everywhere in Bonafide: unpadded base64url of SHA-256 over the uncompressed point.

    The same 32 bytes that Apple calls the key identifier.
    """
    return b64url_encode(sha256(public_key).digest())
