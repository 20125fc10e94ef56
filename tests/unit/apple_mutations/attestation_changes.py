"""Where an attestation can be changed: in its draft, its parts, its bytes, or in what the verifier is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
from attestation.evidence import AppleAttestation
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import AttestationDraft, AuthenticatorData
from devkit.devices.authority.certificate_template import CertificateTemplate, new_private_key
from devkit.devices.authority.der_writer import NULL, object_identifier, sequence

from .scene import (
    AUTHORITY,
    Drawn,
    Question,
    Scene,
)

CA = AUTHORITY.apple.app_attestation_ca
"""What stands for Apple's App Attestation CA."""
NONCE_OID = "1.2.840.113635.100.8.2"
OTHER_KEY = new_private_key(ec.SECP256R1(), Drawn("other key"))
ECDSA_WITH_SHA1 = sequence(object_identifier("1.2.840.10045.4.1"))
RSA_WITH_SHA256 = sequence(object_identifier("1.2.840.113549.1.1.11"), NULL)


def with_draft(change: Callable[[AttestationDraft], AttestationDraft]) -> Callable[[], Question]:
    """A change to the draft that leaves the leaf's signature fresh."""
    return lambda: Question(evidence=AppleAttestation(change(Scene.default().attestation).seal()))


def with_leaf(change: Callable[[CertificateTemplate], CertificateTemplate]) -> Callable[[], Question]:
    return with_draft(lambda draft: replace(draft, leaf=change(draft.leaf)))


def with_authenticator_data(change: Callable[[AuthenticatorData], AuthenticatorData | bytes]) -> Callable[[], Question]:
    """A change to authenticator data, with the nonce made to fit: an attacker with Apple's help."""

    def make() -> Question:
        scene = Scene.default()
        draft = scene.attestation.with_authenticator_data(change(scene.authenticator_data))
        return Question(evidence=AppleAttestation(draft.seal()))

    return make


def with_members(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Question]:
    """A change to the decoded attestation object, encoded again."""

    def make() -> Question:
        changed = change(cbor2.loads(Scene.default().attestation.seal()))
        return Question(evidence=AppleAttestation(changed if isinstance(changed, bytes) else cbor2.dumps(changed)))

    return make


def with_bytes(change: Callable[[bytes], bytes]) -> Callable[[], Question]:
    return lambda: Question(evidence=AppleAttestation(change(Scene.default().attestation.seal())))


def with_question(change: Callable[[Question], Question]) -> Callable[[], Question]:
    """Good evidence, another question."""
    return lambda: change(Question(evidence=AppleAttestation(Scene.default().attestation.seal())))
