"""Certificates for the tests of the certificate tools: a small chain whose every part can be changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from attestation.encoding.certificate import Certificate, read_certificate
from attestation.endorsements import TrustAnchor
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.certificate_template import (
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    CertificateTemplate,
    IssuerKey,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)

NOW = 1_780_000_000.0
DAY = 86_400.0


def key_of(seed: int, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """The same key for the same seed."""
    return ec.derive_private_key(seed + 10**20, curve or ec.SECP256R1())


LEAF_KEY, SUB_KEY, CA_KEY, ROOT_KEY = key_of(1), key_of(2), key_of(3, ec.SECP384R1()), key_of(4, ec.SECP384R1())
LEAF_NAME, SUB_NAME = name(("CN", "Leaf")), name(("CN", "Sub CA"))
CA_NAME, ROOT_NAME = name(("CN", "CA"), ("O", "Example")), name(("CN", "Root"), ("O", "Example"))


def template(**changes: Any) -> CertificateTemplate:
    """A leaf issued by :data:`CA_NAME`, valid around :data:`NOW`."""
    default = CertificateTemplate(
        serial=4711,
        issuer=CA_NAME,
        subject=LEAF_NAME,
        not_before=NOW - DAY,
        not_after=NOW + DAY,
        spki=spki_of(LEAF_KEY),
        extensions=(basic_constraints(ca=False), key_usage(DIGITAL_SIGNATURE)),
        digest="sha256",
    )
    return replace(default, **changes)


def ca_template(**changes: Any) -> CertificateTemplate:
    """The CA above the leaf, issued by :data:`ROOT_NAME`."""
    default: dict[str, Any] = {
        "issuer": ROOT_NAME,
        "subject": CA_NAME,
        "spki": spki_of(CA_KEY),
        "extensions": (basic_constraints(ca=True), key_usage(KEY_CERT_SIGN)),
        "digest": "sha384",
    }
    return template(**(default | changes))


def minted(draft: CertificateTemplate, key: IssuerKey = CA_KEY) -> Certificate:
    """The draft, signed and read."""
    return read_certificate(draft.signed_by(key))


ROOT = minted(ca_template(issuer=ROOT_NAME, subject=ROOT_NAME, spki=spki_of(ROOT_KEY)), ROOT_KEY)
ANCHOR = TrustAnchor.of(ROOT)
