"""Chains and tokens that no genuine device or service makes: what an attacker makes of genuine ones."""

from __future__ import annotations

from dataclasses import replace

from attestation.evidence import IntegrityProfile
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.certificate_template import (
    DIGITAL_SIGNATURE,
    CertificateTemplate,
    SigningCertificate,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from devkit.devices.authority.harmony import DAY, ENHANCED_SIGNER, SIGNING_HOST
from devkit.devices.harmony import huks_statement as huks
from devkit.devices.harmony.device import ChainDraft, SoftwareHarmony
from devkit.devices.harmony.integrity_draft import TokenDraft


def leaf_signs_leaf(
    draft: ChainDraft, attested_key: ec.EllipticCurvePrivateKey, forged_key: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ...]:
    """A genuinely attested key signs a certificate with an invented attestation, for a key that lives anywhere."""
    forged = _below(draft, forged_key).with_extension(draft.statement.extension())
    return (forged.signed_by(attested_key), *draft.chain())


def leaf_signs_plain_leaf(
    draft: ChainDraft, attested_key: ec.EllipticCurvePrivateKey, forged_key: ec.EllipticCurvePrivateKey
) -> tuple[bytes, ...]:
    """The same without the invention: readers of the first certificate's key take the forged one for attested."""
    return (_below(draft, forged_key).signed_by(attested_key), *draft.chain())


def imported_key(draft: ChainDraft) -> ChainDraft:
    """The key came from outside, so copies of it may be anywhere."""
    return draft.with_claim(huks.key_origin(huks.IMPORTED))


def other_component(draft: ChainDraft) -> ChainDraft:
    """A key of the secure camera and location service, which the same CA certifies."""
    return draft.with_claim(huks.key_manager(huks.TRUSTED_SENSORS))


def expired(draft: ChainDraft) -> ChainDraft:
    """The leaf of a week before last."""
    leaf = draft.leaf
    return replace(
        draft, leaf=replace(leaf, not_before=leaf.not_before - 14 * DAY, not_after=leaf.not_after - 14 * DAY)
    )


def token_by_huks_key(device: SoftwareHarmony, client_data_hash: bytes) -> TokenDraft:
    """An attested app key, whose chain ends in the root of the enhanced profile, signs an integrity token itself."""
    key = device.generate_key()
    draft = replace(device, profile=IntegrityProfile.ENHANCED).token_draft(client_data_hash)
    return replace(draft, key=key, certificates=device.attest_key(key, client_data_hash))


def token_below_huks_key(device: SoftwareHarmony, client_data_hash: bytes) -> TokenDraft:
    """An attested app key issues a certificate with the signer's very name, and that one signs."""
    attested, own = device.generate_key(), device.generate_key()
    chain = device.draft(spki_of(attested), client_data_hash)
    signer = replace(_below(chain, own), subject=name(("CN", ENHANCED_SIGNER)))
    draft = replace(device, profile=IntegrityProfile.ENHANCED).token_draft(client_data_hash)
    return replace(draft, key=own, certificates=(signer.signed_by(attested), *chain.chain()))


def token_by_host(
    device: SoftwareHarmony, client_data_hash: bytes, host: str = f"{SIGNING_HOST}.evil.example"
) -> TokenDraft:
    """A certificate of the same CA for another host, whose name holds the right one. For the profiles with a host."""
    return _signed_by(device, client_data_hash, device.authority.host_signer(host))


def token_by_developer(device: SoftwareHarmony, client_data_hash: bytes) -> TokenDraft:
    """A developer's certificate, under the very root of the integrity service, signs the token."""
    return _signed_by(device, client_data_hash, device.authority.developer())


def token_below_developer(device: SoftwareHarmony, client_data_hash: bytes) -> TokenDraft:
    """A developer's end-entity certificate issues one with the service's host name: what Huawei's sample accepts."""
    service, developer = device.authority.host_signer(), device.authority.developer()
    forged = replace(service.template, issuer=developer.name).signed_by(developer.key)
    draft = _signed_by(device, client_data_hash, service)
    above = device.authority.integrity_line().chain(developer.template, root=False)
    return replace(draft, certificates=(forged, *above))


def _signed_by(device: SoftwareHarmony, client_data_hash: bytes, signer: SigningCertificate) -> TokenDraft:
    draft = device.token_draft(client_data_hash)
    certificates = device.authority.integrity_line().chain(signer.template, root=False)
    return replace(draft, certificates=certificates, key=signer.key)


def _below(draft: ChainDraft, key: ec.EllipticCurvePrivateKey) -> CertificateTemplate:
    return replace(
        draft.leaf,
        issuer=draft.leaf.subject,
        spki=spki_of(key),
        extensions=(basic_constraints(ca=False), key_usage(DIGITAL_SIGNATURE)),
    )
