"""A software HarmonyOS device: one app, whose HUKS attests keys and whose Device Security Kit answers for the device.

Everything hangs under the device authority's test root. Everything time or chance decides comes from ``clock`` and
``random``. Chains and tokens are drafts before they are signed, so that a hostile device can change any field.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from attestation.evidence import AttestationKind, IntegrityProfile
from bonafide_tokens.signing import es256_sign
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import point_of
from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    CertifiedKey,
    Extension,
    RandomBytes,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL
from devkit.devices.authority.harmony import DAY, HarmonyAuthority, IssuerLine
from devkit.devices.harmony import huks_statement as huks
from devkit.devices.harmony.integrity_draft import TokenDraft

_NO_REVOCATION: Final = Extension("2.5.29.56", NULL)
_LEAF_NAME: Final = name(("CN", "Device Certificate Management Key"))
_DIGITAL_SIGNATURE_AND_AGREEMENT: Final = 0xA8
_SIGNER_DIGEST: Final = sha256(b"the signing certificate of a software app").digest()


@dataclass(frozen=True, slots=True)
class HarmonyRelease:
    """What the HUKS of one release says of a key. ``name`` is how commands call it."""

    name: str
    os: str
    model: str
    says_origin: bool = True
    says_app_mode: bool = True
    says_model: bool = True


RELEASES: Final[Mapping[str, HarmonyRelease]] = {
    release.name: release
    for release in (
        HarmonyRelease("harmony-5", "HarmonyOS 5.0", "CLS-SW00", False, False, False),
        HarmonyRelease("harmony-6", "HarmonyOS 6.0", "CLS-SW00"),
    )
}
"""Releases by name. ``harmony-5`` is as of 2024: no word on the key's origin, the app's mode or the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDraft:
    """A HUKS chain before it is signed: what is said of the key, its certificate, its issuers."""

    statement: huks.StatementDraft
    leaf: CertificateTemplate
    line: IssuerLine
    root: bool = True

    def with_claim(self, claim: huks.Claim) -> ChainDraft:
        return replace(self, statement=self.statement.with_claim(claim))

    def without(self, oid: str) -> ChainDraft:
        return replace(self, statement=self.statement.without(oid))

    def chain(self) -> tuple[bytes, ...]:
        """The whole chain, leaf first."""
        return self.line.chain(self.leaf.with_extension(self.statement.extension()), root=self.root)


@dataclass(slots=True, kw_only=True)
class SoftwareHarmony:
    """One app, ``bundle_name`` signed by the key ``signer``, on one software device.

    ``agc_app_id`` is the app's number in AppGallery Connect, which integrity tokens carry; ``app_identifier`` the one
    in HUKS attestations. ``profile`` is the integrity service the device has. ``clock`` gives Unix seconds.
    """

    authority: HarmonyAuthority
    bundle_name: str
    signer: ec.EllipticCurvePublicKey
    app_identifier: str = "5765880207850000001"
    agc_app_id: str = "6917500000000000001"
    app_mode: str = "release"
    release: HarmonyRelease = RELEASES["harmony-6"]
    profile: IntegrityProfile = IntegrityProfile.ENHANCED
    basic_integrity: bool = True
    details: tuple[str, ...] = ()
    clock: Callable[[], float] = time.time
    random: RandomBytes = secrets.token_bytes

    @property
    def app_id(self) -> str:
        """The app's id in HUKS attestations: its bundle name and its signing key."""
        return f"{self.bundle_name}_{base64.b64encode(point_of(self.signer)).decode('ascii')}"

    def generate_key(self) -> ec.EllipticCurvePrivateKey:
        """A new key in the software HUKS."""
        return new_private_key(ec.SECP256R1(), self.random)

    def attest_key(self, key: CertifiedKey, challenge: bytes, *, offline: bool = False) -> tuple[bytes, ...]:
        """The certificates of ``key`` over ``challenge`` as ``huks.anonAttestKeyItem`` returns them, in DER."""
        return self.draft(spki_of(key), challenge, offline=offline).chain()

    def attest_agreement_key(self, key: CertifiedKey, challenge: bytes) -> tuple[bytes, ...]:
        """The same of a key that was made for agreement alone (``HUKS_KEY_PURPOSE_AGREE``)."""
        return self.draft(spki_of(key), challenge).with_claim(huks.key_purpose(huks.AGREE)).chain()

    def sign(self, key: ec.EllipticCurvePrivateKey, client_data: bytes) -> bytes:
        """A key signature over ``client_data``: R and S, 64 bytes."""
        return es256_sign(key, client_data)

    def check_integrity(self, client_data_hash: bytes) -> str:
        """A SysIntegrity token of the device's profile over ``client_data_hash``."""
        return self.token_draft(client_data_hash).seal()

    def draft(
        self,
        spki: bytes,
        challenge: bytes,
        *,
        kind: AttestationKind = AttestationKind.ANONYMOUS,
        offline: bool = False,
    ) -> ChainDraft:
        """The chain of the key ``spki``, open to change."""
        if kind is AttestationKind.NON_ANONYMOUS:
            line, leaf = self.authority.device_line(), self._device_leaf(spki)
        else:
            line, leaf = self.authority.anonymous_line(offline=offline), self._anonymous_leaf(spki)
        return ChainDraft(statement=self._statement(challenge), leaf=replace(leaf, issuer=line.first.name), line=line)

    def token_draft(self, client_data_hash: bytes) -> TokenDraft:
        """The integrity token of the device's profile, open to change."""
        if self.profile is IntegrityProfile.ENHANCED:
            signer, line = self.authority.enhanced_signer(), self.authority.anonymous_line()
        else:
            signer, line = self.authority.host_signer(), self.authority.integrity_line()
        hms = self.profile is IntegrityProfile.HMS
        return TokenDraft(
            algorithm={IntegrityProfile.HMS: "PS256", IntegrityProfile.NEXT: "RS256"}.get(self.profile, "ES256"),
            certificates=line.chain(signer.template, root=not hms),
            payload=self._apk_payload(client_data_hash) if hms else self._hap_payload(client_data_hash),
            key=signer.key,
        )

    def _statement(self, challenge: bytes) -> huks.StatementDraft:
        release = self.release
        members = {"appId": self.app_id, "bundleName": self.bundle_name}
        if release.says_app_mode:
            members |= {"appIdentifier": self.app_identifier, "appMode": self.app_mode}
        claims = [huks.application(members), huks.challenge(challenge)]
        if release.says_origin:
            claims.append(huks.key_origin())
        if release.says_model:
            claims.append(huks.model(release.model))
        return huks.StatementDraft((*claims, huks.key_manager()))

    def _anonymous_leaf(self, spki: bytes) -> CertificateTemplate:
        """Valid for seven days; there is no revocation for it, and it says so."""
        now = self.clock()
        return CertificateTemplate(
            serial=int.from_bytes(b"\x09" + self.random(13)),
            issuer=b"",
            subject=_LEAF_NAME,
            not_before=now - DAY,
            not_after=now + 6 * DAY,
            spki=spki,
            digest="sha256",
            extensions=(basic_constraints(ca=False), _NO_REVOCATION),
        )

    def _device_leaf(self, spki: bytes) -> CertificateTemplate:
        """Serial number 1, ten years, no basic constraints: as genuine devices write their own leaves."""
        now = self.clock()
        usage = key_usage(_DIGITAL_SIGNATURE_AND_AGREEMENT)
        return CertificateTemplate(
            serial=1,
            issuer=b"",
            subject=_LEAF_NAME,
            not_before=now - 365 * DAY,
            not_after=now + 3287 * DAY,
            spki=spki,
            digest="sha256",
            extensions=(replace(usage, critical=False),),
        )

    def _hap_payload(self, client_data_hash: bytes) -> dict[str, object]:
        payload: dict[str, object] = {
            "hapCertificateSha256": _SIGNER_DIGEST.hex(),
            "hapBundleName": self.bundle_name,
            "appId": self.agc_app_id,
            "basicIntegrity": self.basic_integrity,
            "nonce": _base64(client_data_hash),
            "timestamp": int(self.clock() * 1000),
        }
        if self.profile is IntegrityProfile.ENHANCED:
            payload["version"] = 1
        return self._with_details(payload)

    def _apk_payload(self, client_data_hash: bytes) -> dict[str, object]:
        payload: dict[str, object] = {
            "apkCertificateDigestSha256": [_base64(_SIGNER_DIGEST)],
            "apkDigestSha256": _base64(sha256(b"the package of a software app").digest()),
            "apkPackageName": self.bundle_name,
            "appId": self.agc_app_id,
            "basicIntegrity": self.basic_integrity,
            "nonce": _base64(client_data_hash),
            "timestampMs": int(self.clock() * 1000),
        }
        if not self.basic_integrity:
            payload["advice"] = "RESTORE_TO_FACTORY_ROM"
        return self._with_details(payload)

    def _with_details(self, payload: dict[str, object]) -> dict[str, object]:
        return payload | ({"detail": list(self.details)} if self.details else {})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
