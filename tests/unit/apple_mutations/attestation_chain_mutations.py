"""Attestations that no trusted issuer vouches for (steps 3 to 5 of A1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from attestation.endorsements import pinned_endorsements
from attestation.errors import Reason
from attestation.evidence import AppleAttestation
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    Extension,
    Issuer,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL

from .attestation_changes import (
    CA,
    ECDSA_WITH_SHA1,
    OTHER_KEY,
    RSA_WITH_SHA256,
    with_draft,
    with_leaf,
    with_members,
    with_question,
)
from .scene import (
    AUTHORITY,
    ENDORSEMENTS,
    NOW,
    OTHER_AUTHORITY,
    Drawn,
    Question,
    Scene,
    rejected,
    unavailable,
)


def _ca(change: Callable[[CertificateTemplate], CertificateTemplate], key: Any = None) -> Callable[[], Question]:
    """The issuing CA changed (signed by the real root), and the leaf issued below it."""

    def make() -> Question:
        draft, ca_key = Scene.default().attestation, key or CA.key
        template = CertificateTemplate(
            serial=77,
            issuer=AUTHORITY.root.name,
            subject=CA.name,
            not_before=NOW - 1000 * 86_400,
            not_after=NOW + 1000 * 86_400,
            spki=spki_of(ca_key),
            extensions=(basic_constraints(ca=True, path_length=0), key_usage(0x06)),
        )
        issuer = Issuer(ca_key, change(template).signed_by(AUTHORITY.root.key))
        changed = replace(draft, issuer=issuer, issuers=(issuer.certificate,))
        return Question(evidence=AppleAttestation(changed.seal()))

    return make


def _issued_below(subject: bytes, extensions: tuple[Extension, ...]) -> Callable[[], Question]:
    """One more certificate between the CA and the leaf."""

    def make() -> Question:
        draft = Scene.default().attestation
        between = CertificateTemplate(
            serial=78,
            issuer=CA.name,
            subject=subject,
            not_before=NOW - 86_400,
            not_after=NOW + 86_400,
            spki=spki_of(OTHER_KEY),
            extensions=extensions,
            digest="sha256",
        ).signed_by(CA.key)
        changed = replace(
            draft,
            leaf=replace(draft.leaf, issuer=subject),
            issuer=Issuer(OTHER_KEY, between),
            issuers=(between, CA.certificate),
        )
        return Question(evidence=AppleAttestation(changed.seal()))

    return make


def _other_root() -> Question:
    draft = Scene.default(authority=OTHER_AUTHORITY).attestation
    return Question(evidence=AppleAttestation(draft.seal()))


def _ca_of_other_root() -> Question:
    """The genuine CA's name and key, vouched for by another root of the same name."""
    draft = Scene.default().attestation
    template = CertificateTemplate(
        serial=79,
        issuer=AUTHORITY.root.name,
        subject=CA.name,
        not_before=NOW - 86_400,
        not_after=NOW + 86_400,
        spki=spki_of(CA.key),
        extensions=(basic_constraints(ca=True, path_length=0), key_usage(0x06)),
    )
    forged = template.signed_by(OTHER_AUTHORITY.root.key)
    return Question(evidence=AppleAttestation(replace(draft, issuers=(forged,)).seal()))


def _leaf_of_other_ca() -> Question:
    """A leaf signed by the attacker's own key, under the genuine CA's certificate."""
    draft = Scene.default().attestation
    forger = Issuer(OTHER_AUTHORITY.apple.app_attestation_ca.key, CA.certificate)
    return Question(evidence=AppleAttestation(replace(draft, issuer=forger).seal()))


_UNKNOWN_CRITICAL = Extension("1.2.3.4", NULL, critical=True)
_UNNAMED = name(("CN", "Somebody"))

CHAIN = (
    rejected(
        "leaf_last",
        Reason.ANCHOR_UNKNOWN,
        with_members(lambda m: m | {"attStmt": m["attStmt"] | {"x5c": m["attStmt"]["x5c"][::-1]}}),
    ),
    rejected("issuer_left_out", Reason.ANCHOR_UNKNOWN, with_draft(lambda d: replace(d, issuers=()))),
    rejected("other_root_of_the_same_name", Reason.ANCHOR_UNKNOWN, _other_root),
    rejected("ca_vouched_for_by_another_root", Reason.ANCHOR_UNKNOWN, _ca_of_other_root),
    rejected(
        "test_root_in_production",
        Reason.ANCHOR_UNKNOWN,
        with_question(lambda q: replace(q, endorsements=pinned_endorsements())),
    ),
    unavailable(
        "no_anchors_at_all",
        Reason.TRUST_ANCHORS_MISSING,
        with_question(lambda q: replace(q, endorsements=replace(ENDORSEMENTS, apple_attestation=()))),
    ),
    rejected(
        "leaf_names_another_issuer",
        Reason.CHAIN_ISSUER_MISMATCH,
        with_leaf(lambda leaf: replace(leaf, issuer=_UNNAMED)),
    ),
    rejected("leaf_signed_by_another_key", Reason.CHAIN_SIGNATURE, _leaf_of_other_ca),
    rejected(
        "leaf_signed_with_sha1",
        Reason.CHAIN_ALGORITHM,
        with_leaf(lambda leaf: replace(leaf, signature_algorithm=ECDSA_WITH_SHA1)),
    ),
    rejected(
        "leaf_says_it_is_signed_by_rsa",
        Reason.CHAIN_ALGORITHM,
        with_leaf(lambda leaf: replace(leaf, signature_algorithm=RSA_WITH_SHA256)),
    ),
    rejected(
        "ca_on_a_curve_of_bitcoin",
        Reason.CHAIN_ALGORITHM,
        _ca(lambda ca: ca, key=new_private_key(ec.SECP256K1(), Drawn("secp256k1"))),
    ),
    rejected("ca_that_is_no_ca", Reason.CHAIN_CA_FLAG, _ca(lambda ca: ca.with_extension(basic_constraints(ca=False)))),
    rejected("ca_without_constraints", Reason.CHAIN_CA_FLAG, _ca(lambda ca: ca.without_extension("2.5.29.19"))),
    rejected(
        "ca_that_may_not_sign_certificates", Reason.CHAIN_KEY_USAGE, _ca(lambda ca: ca.with_extension(key_usage(0x80)))
    ),
    rejected(
        "second_ca_below_path_length_zero",
        Reason.CHAIN_PATH_LENGTH,
        _issued_below(name(("CN", "Sub CA")), (basic_constraints(ca=True), key_usage(0x04))),
    ),
    rejected(
        "leaf_issued_by_a_genuine_leaf",
        Reason.CHAIN_CA_FLAG,
        _issued_below(name(("CN", "A leaf")), (basic_constraints(ca=False), key_usage(0xF0))),
    ),
    rejected(
        "leaf_that_is_a_ca",
        Reason.CHAIN_CA_FLAG,
        with_leaf(lambda leaf: leaf.with_extension(basic_constraints(ca=True))),
    ),
    rejected(
        "leaf_without_digital_signature",
        Reason.CHAIN_KEY_USAGE,
        with_leaf(lambda leaf: leaf.with_extension(key_usage(0x08))),
    ),
    rejected(
        "leaf_without_key_usage", Reason.CHAIN_KEY_USAGE, with_leaf(lambda leaf: leaf.without_extension("2.5.29.15"))
    ),
    rejected(
        "unknown_critical_extension_in_leaf",
        Reason.CHAIN_CRITICAL_EXTENSION,
        with_leaf(lambda leaf: leaf.with_extension(_UNKNOWN_CRITICAL)),
    ),
    rejected(
        "unknown_critical_extension_in_ca",
        Reason.CHAIN_CRITICAL_EXTENSION,
        _ca(lambda ca: ca.with_extension(_UNKNOWN_CRITICAL)),
    ),
    rejected("leaf_expired", Reason.CHAIN_EXPIRED, with_leaf(lambda leaf: replace(leaf, not_after=NOW - 1))),
    rejected(
        "leaf_not_valid_yet", Reason.CHAIN_NOT_YET_VALID, with_leaf(lambda leaf: replace(leaf, not_before=NOW + 1))
    ),
    rejected("ca_expired", Reason.CHAIN_EXPIRED, _ca(lambda ca: replace(ca, not_after=NOW - 1))),
    rejected("ca_not_valid_yet", Reason.CHAIN_NOT_YET_VALID, _ca(lambda ca: replace(ca, not_before=NOW + 1))),
)
