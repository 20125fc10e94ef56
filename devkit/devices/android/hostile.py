"""Chains that no device returns: what an attacker makes of genuine ones."""

from __future__ import annotations

from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android import key_description as kd
from devkit.devices.android.device import ChainDraft
from devkit.devices.authority.certificate_template import (
    DIGITAL_SIGNATURE,
    CertificateTemplate,
    key_usage,
    name,
    spki_of,
)


def extended_by_attestation(
    draft: ChainDraft, attested_key: ec.EllipticCurvePrivateKey, forged_key: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ...]:
    """A genuinely attested key signs a certificate with an invented KeyDescription, for a key that lives anywhere."""
    forged = _below(draft, forged_key).with_extension(draft.description.extension())
    return (forged.signed_by(attested_key), *draft.chain())


def extended_by_certificate(
    draft: ChainDraft, attested_key: ec.EllipticCurvePrivateKey, forged_key: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ...]:
    """A genuinely attested key signs a plain certificate: readers of the first certificate's key take the forged one,
    readers of the KeyDescription the attested one."""
    return (_below(draft, forged_key).signed_by(attested_key), *draft.chain())


def two_descriptions(draft: ChainDraft, other: kd.KeyDescriptionDraft) -> tuple[bytes, ...]:
    """One certificate with two KeyDescriptions: readers pick differently."""
    described = draft.described_leaf
    leaf = replace(described, extensions=(*described.extensions, other.extension()))
    return (leaf.signed_by(draft.line.batch.key), *draft.issuers())


def below_attestation_key(
    draft: ChainDraft, attestation_key: ec.EllipticCurvePrivateKey, spki: bytes
) -> tuple[bytes, ...]:
    """A chain through an attestation key that the app made itself (``PURPOSE_ATTEST_KEY``): genuine, yet its owner
    chooses which keys it vouches for. ``draft`` is the attestation key's own chain."""
    own = replace(draft, description=draft.description.with_hardware({1: kd.integers(kd.ATTEST_KEY)}))
    leaf = replace(draft.leaf, issuer=draft.leaf.subject, spki=spki).with_extension(draft.description.extension())
    return (leaf.signed_by(attestation_key), *own.chain())


def _below(draft: ChainDraft, key: ec.EllipticCurvePrivateKey) -> CertificateTemplate:
    return replace(
        draft.leaf,
        issuer=draft.leaf.subject,
        subject=name(("CN", "Android Keystore Key")),
        spki=spki_of(key),
        extensions=(key_usage(DIGITAL_SIGNATURE),),
        validity=None,
    )
