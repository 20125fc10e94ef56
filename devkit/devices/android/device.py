"""A software Android: one app on one device, whose KeyStore attests keys as the genuine hardware of its release does.

Chains are minted under the device authority's test root. Everything time or chance decides comes from ``clock`` and
``random``. A chain is a draft before it is signed, so that a hostile device can change any field of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from attestation.encoding.names import attributes
from bonafide_tokens.signing import es256_sign
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES, AndroidRelease, Quirk
from devkit.devices.authority.android import DAY, FACTORY, NOT_A_CA, STRONGBOX, AndroidAuthority, Line
from devkit.devices.authority.certificate_template import (
    DIGITAL_SIGNATURE,
    CertificateTemplate,
    CertifiedKey,
    Extension,
    RandomBytes,
    SigningCertificate,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, integer, object_identifier, octet_string, sequence, tlv

BOOT_KEY: Final = sha256(b"the boot key of a software device").digest()
_CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
_KNOX: Final = "1.3.6.1.4.1.236.11.3.23.7"
_BOOT_HASH: Final = sha256(b"the boot image of a software device").digest()
_LEAF_NAME: Final = name(("CN", "Android Keystore Key"))
_NEVER_ENDING: Final = datetime(2048, 1, 1, tzinfo=UTC).timestamp()
_NULL_PARAMETERS: Final = sequence(object_identifier("1.2.840.10045.4.3.2"), NULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainDraft:
    """A chain before it is signed: what is said of the key, its certificate, and the issuers above it.

    ``root`` is the in-chain root, ``None`` where the device leaves it out.
    """

    description: kd.KeyDescriptionDraft
    leaf: CertificateTemplate
    line: Line
    root_key_holder: AndroidAuthority
    root: bytes | None
    trailing: bytes = b""

    @property
    def described_leaf(self) -> CertificateTemplate:
        """The leaf with its KeyDescription, not yet signed."""
        return self.leaf.with_extension(self.description.extension())

    def issuers(self) -> tuple[bytes, ...]:
        """The signed certificates above the leaf."""
        holders = [self.line.batch, *self.line.above]
        keys = [*(holder.key for holder in self.line.above), self.root_key_holder.root_key]
        signed = tuple(holder.template.signed_by(key) for holder, key in zip(holders, keys, strict=True))
        return signed if self.root is None else (*signed, self.root)

    def chain(self) -> tuple[bytes, ...]:
        """The whole chain, leaf first."""
        return (self.described_leaf.signed_by(self.line.batch.key) + self.trailing, *self.issuers())


@dataclass(slots=True, kw_only=True)
class SoftwareAndroid:
    """One app, ``package`` signed by the certificate whose SHA-256 is ``signer``, on one software device.

    ``locked``, ``boot_state`` and ``boot_key`` are what the hardware says of the boot. ``environment`` is where the key
    lives, as the KeyDescription claims it; the chain's word on it comes from ``line``. A remotely provisioned
    certificate is one ``device``'s own. ``clock`` gives Unix seconds.
    """

    authority: AndroidAuthority
    package: str
    signer: bytes
    version_code: int = 1
    release: AndroidRelease = RELEASES["galaxy-s24"]
    locked: bool = True
    boot_state: int = kd.VERIFIED
    boot_key: bytes = BOOT_KEY
    level: int | None = None
    line: Line | None = None
    device: int = 0
    clock: Callable[[], float] = time.time
    random: RandomBytes = secrets.token_bytes

    def generate_key(self) -> ec.EllipticCurvePrivateKey:
        """A new key in the software KeyStore."""
        return new_private_key(ec.SECP256R1(), self.random)

    def attest_key(self, key: CertifiedKey, challenge: bytes) -> tuple[bytes, ...]:
        """The certificate chain of ``key`` over ``challenge``, as ``KeyStore.getCertificateChain`` returns it."""
        return self.draft(spki_of(key), challenge).chain()

    def attest_agreement_key(self, key: CertifiedKey, challenge: bytes) -> tuple[bytes, ...]:
        """The chain of a key that was made for agreement alone (``PURPOSE_AGREE_KEY``)."""
        draft = self.draft(spki_of(key), challenge)
        return replace(draft, description=draft.description.with_hardware({1: kd.integers(kd.AGREE_KEY)})).chain()

    def sign(self, key: ec.EllipticCurvePrivateKey, client_data: bytes) -> bytes:
        """A key signature over ``client_data``: R and S, 64 bytes."""
        return es256_sign(key, client_data)

    def draft(self, spki: bytes, challenge: bytes) -> ChainDraft:
        """The chain of the key ``spki``, open to change. Another type of key needs other authorizations."""
        quirks = self.release.quirks
        line = self.line or self._line()
        return ChainDraft(
            description=self._description(challenge),
            leaf=self._leaf(spki, line.batch),
            line=line,
            root_key_holder=self.authority,
            root=None if Quirk.ROOT_OMITTED in quirks else self.authority.root_certificate,
            trailing=b"\0\0" if Quirk.TRAILING_OCTETS in quirks else b"",
        )

    def _line(self) -> Line:
        release = self.release
        if release.provisioning != FACTORY:
            return self.authority.rkp_line(release.environment, now=self.clock(), number=self.device)
        line = self.authority.factory_line(release.environment)
        template = line.batch.template
        if Quirk.BATCH_NOT_CA in release.quirks:
            for extension in NOT_A_CA:
                template = template.with_extension(extension)
        if Quirk.UNNAMED_BATCH in release.quirks:
            template = replace(template, subject=_without_title(template.subject))
        return replace(line, batch=SigningCertificate(line.batch.key, template))

    def _leaf(self, spki: bytes, batch: SigningCertificate) -> CertificateTemplate:
        quirks = self.release.quirks
        usage = key_usage(DIGITAL_SIGNATURE)
        extensions = [Extension(usage.oid, usage.value, critical=True, true=1 if Quirk.BER_TRUE in quirks else 0xFF)]
        if Quirk.BAD_CRL_POINTER in quirks:
            extensions.append(Extension(_CRL_DISTRIBUTION_POINTS, b"\0"))
        if Quirk.VENDOR_EXTENSION in quirks:
            extensions.append(Extension(_KNOX, sequence(integer(1))))
        validity = None
        if Quirk.ODD_LEAF_DATES in quirks:
            validity = sequence(tlv(0x17, b"700101000000Z"), tlv(0x17, b"691231235959Z"))
        elif Quirk.EARLY_GENERALIZED_TIME in quirks:
            validity = sequence(tlv(0x18, b"19700101000000Z"), tlv(0x18, b"20480101000000Z"))
        return CertificateTemplate(
            serial=1,
            issuer=_without_title(batch.name) if Quirk.SHORT_LEAF_ISSUER in quirks else batch.name,
            subject=_LEAF_NAME,
            not_before=self.clock() - DAY,
            not_after=_NEVER_ENDING,
            spki=spki,
            digest="sha256",
            signature_algorithm=_NULL_PARAMETERS if Quirk.NULL_PARAMETERS in quirks else None,
            extensions=tuple(extensions),
            validity=validity,
        )

    def _description(self, challenge: bytes) -> kd.KeyDescriptionDraft:
        release, quirks = self.release, self.release.quirks
        level = self.level
        if level is None:
            level = kd.STRONGBOX if release.environment == STRONGBOX else kd.TRUSTED_ENVIRONMENT
        created = {701: integer(self._created())}
        application = {709: kd.application_id([(self.package, self.version_code)], [self.signer])}
        module_hash = {724: octet_string(sha256(b"modules").digest())} if release.schema >= 400 else {}
        hardware = self._hardware()
        if Quirk.CREATED_IN_HARDWARE in quirks:
            hardware, created = _sorted({**hardware, **created}), {}
        if Quirk.UNKNOWN_TAG in quirks:
            hardware[799] = sequence(integer(7))
        if Quirk.UNSORTED_TAGS in quirks:
            hardware[705] = hardware.pop(705)
        return kd.KeyDescriptionDraft(
            attestation_version=release.schema,
            attestation_level=level,
            keymint_version=release.keymint,
            keymint_level=level,
            challenge=challenge,
            software={**created, **application, **module_hash},
            hardware=hardware,
        )

    def _hardware(self) -> dict[int, bytes]:
        release, quirks = self.release, self.release.quirks
        patch = self._patch()
        short = Quirk.SHORT_PATCH_LEVELS in quirks
        boot = kd.root_of_trust(
            key=b"" if Quirk.EMPTY_BOOT_KEY in quirks else self.boot_key,
            locked=self.locked,
            state=self.boot_state,
            boot_hash=_BOOT_HASH if release.schema >= 3 else None,
            true=1 if Quirk.BER_TRUE in quirks else 0xFF,
        )
        hardware = kd.usual_hardware(
            schema=release.schema,
            boot=boot,
            os_version=release.os_version,
            os_patch=patch,
            vendor_patch=patch if short else patch * 100 + 5,
            boot_patch=0 if short else patch * 100 + 5,
            size=None if Quirk.NO_SIZE in quirks else 256,
            curve=None if Quirk.NO_SIZE in quirks else 1,
        )
        if Quirk.UNSORTED_SETS in quirks:
            hardware[1] = kd.integers(kd.VERIFY, kd.SIGN)
        return hardware

    def _patch(self) -> int:
        if self.release.os_patch is not None:
            return self.release.os_patch
        now = datetime.fromtimestamp(self.clock(), UTC)
        year, month = divmod(now.year * 12 + now.month - 2, 12)
        return year * 100 + month + 1

    def _created(self) -> int:
        if Quirk.CLOCK_UNSET in self.release.quirks:
            return 455_663  # seven minutes into 1970
        return int(self.clock() * (1_000_000 if Quirk.CREATED_IN_MICROSECONDS in self.release.quirks else 1000))


def _sorted(authorizations: Mapping[int, bytes]) -> dict[int, bytes]:
    return dict(sorted(authorizations.items()))


def _without_title(batch: bytes) -> bytes:
    """The name without its last relative name, the title: what two models write as their leaf's issuer."""
    return name(*(pair for rdn in attributes(batch) for pair in rdn if pair[0] != "title"))
