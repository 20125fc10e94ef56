"""Chains that no trusted issuer vouches for, or that were added to (steps 1 to 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attestation.android.revocation import StatusList
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import pinned_endorsements
from attestation.errors import Reason
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devkit.devices.android import key_description as kd
from devkit.devices.android.device import ChainDraft
from devkit.devices.android.hostile import (
    below_attestation_key,
    extended_by_attestation,
    extended_by_certificate,
    two_descriptions,
)
from devkit.devices.authority.android import DAY, PROVISIONING_INFO
from devkit.devices.authority.certificate_template import (
    DIGITAL_SIGNATURE,
    CertificateTemplate,
    Extension,
    SigningCertificate,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, object_identifier, sequence
from tests.unit.apple_mutations.scene import Drawn

from .scene import (
    AUTHORITY,
    ENDORSEMENTS,
    FORGED_KEY,
    NOW,
    OTHER_AUTHORITY,
    Question,
    Scene,
    endorsements_of,
    malformed,
    rejected,
    unavailable,
    with_chain,
    with_draft,
    with_leaf,
)

_FACTORY = "pixel-5"
_ECDSA_SHA1 = sequence(object_identifier("1.2.840.10045.4.1"))
_RSA_SHA256 = sequence(object_identifier("1.2.840.113549.1.1.11"), NULL)
_SMALL_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - too small is the point
_CA3, _CA2 = 0, 1  # above the batch certificate


def _with_batch(
    change: Callable[[CertificateTemplate], CertificateTemplate], release: str = "galaxy-s24"
) -> Callable[[], Question]:
    def changed(draft: ChainDraft) -> ChainDraft:
        batch = draft.line.batch
        return replace(draft, line=replace(draft.line, batch=SigningCertificate(batch.key, change(batch.template))))

    return with_draft(changed, release)


def _with_issuer(
    index: int, change: Callable[[CertificateTemplate], CertificateTemplate], release: str = "galaxy-s24"
) -> Callable[[], Question]:
    def changed(draft: ChainDraft) -> ChainDraft:
        above = list(draft.line.above)
        above[index] = SigningCertificate(above[index].key, change(above[index].template))
        return replace(draft, line=replace(draft.line, above=tuple(above)))

    return with_draft(changed, release)


def _dated(not_before: float, not_after: float) -> Callable[[CertificateTemplate], CertificateTemplate]:
    return lambda template: replace(template, not_before=not_before, not_after=not_after)


def _revoked(index: int, status: str = "REVOKED", release: str = "galaxy-s24") -> Callable[[], Question]:
    """The status list names the certificate at ``index``: 1 the batch, 2 and 3 those above, 4 the root."""

    def make() -> Question:
        chain = Scene.default(release).draft.chain()
        serial = f"{read_certificate(chain[index]).serial:x}"
        return Question.of(chain, endorsements=endorsements_of(AUTHORITY, **{serial: status}))

    return make


def _long_leaf_serial() -> Question:
    draft = Scene.default().draft
    serial = 0xC35747A084470C3135AEEFE2B8D40CD6
    chain = replace(draft, leaf=replace(draft.leaf, serial=serial)).chain()
    return Question.of(chain, endorsements=endorsements_of(AUTHORITY, **{f"{serial:x}": "REVOKED"}))


def _extended(extend: Callable[..., tuple[bytes, ...]], release: str) -> Callable[[], Question]:
    def make() -> Question:
        scene = Scene.default(release)
        return Question.of(extend(scene.draft, scene.key, FORGED_KEY))

    return make


def _attestation_key_chain() -> Question:
    scene = Scene.default()
    return Question.of(below_attestation_key(scene.draft, scene.key, spki_of(FORGED_KEY)))


def _two_descriptions() -> Question:
    draft = Scene.default().draft
    return Question.of(two_descriptions(draft, replace(draft.description, challenge=b"another")))


def _other_root() -> Question:
    return Question.of(Scene.default(authority=OTHER_AUTHORITY.android).draft.chain())


def _impostor_root() -> Question:
    """Our root's name over another key, left out of the chain so that only the signature can tell."""
    impostor = replace(OTHER_AUTHORITY.android, root_name=AUTHORITY.root.name)
    return Question.of(Scene.default("pixel-6", authority=impostor).draft.chain())


def _weak_batch() -> Question:
    android = AUTHORITY.android
    line = android.factory_line(batch_key=_SMALL_RSA)
    return Question.of(Scene.default(_FACTORY, line=line).draft.chain())


def _batch_on_other_curve() -> Question:
    line = AUTHORITY.android.factory_line(batch_key=new_private_key(ec.SECP256K1(), Drawn("k1")))
    return Question.of(Scene.default(_FACTORY, line=line).draft.chain())


def _with_info(template: CertificateTemplate) -> CertificateTemplate:
    return template.with_extension(Extension(PROVISIONING_INFO, b"\xa1\x01\x01"))


def _aged(seconds: float) -> Callable[[], Question]:
    status = StatusList({}, NOW - seconds)
    return lambda: Question.of(Scene.default().draft.chain(), endorsements=ENDORSEMENTS.with_android_status(status))


LIMITS = (
    rejected("no certificate", Reason.CHAIN_LENGTH, with_chain(lambda chain: chain[:0])),
    rejected("leaf alone", Reason.CHAIN_LENGTH, with_chain(lambda chain: chain[:1])),
    rejected("two certificates", Reason.CHAIN_LENGTH, with_chain(lambda chain: chain[:2])),
    rejected("seven certificates", Reason.CHAIN_LENGTH, with_chain(lambda chain: chain + chain[-2:])),
    malformed("huge certificate", Reason.EVIDENCE_TOO_LARGE, with_chain(lambda c: (c[0] + bytes(9000), *c[1:]))),
    malformed("huge chain", Reason.EVIDENCE_TOO_LARGE, with_chain(lambda c: tuple(part + bytes(7000) for part in c))),
    malformed("garbage for a leaf", Reason.STRUCTURE_INVALID, with_chain(lambda c: (b"\x31\x02\x05\x00", *c[1:]))),
    malformed("leaf cut off", Reason.ENCODING_INVALID, with_chain(lambda c: (c[0][:-1], *c[1:]))),
    malformed("issuer cut off", Reason.ENCODING_INVALID, with_chain(lambda c: (c[0], c[1][:100], *c[2:]))),
    malformed(
        "algorithm differs outside",
        Reason.STRUCTURE_INVALID,
        with_leaf(lambda leaf: replace(leaf, outer_signature_algorithm=_ECDSA_SHA1)),
    ),
)

SIGNATURES = (
    rejected("other root", Reason.ANCHOR_UNKNOWN, _other_root),
    rejected("impostor of the root's name", Reason.ANCHOR_UNKNOWN, _impostor_root),
    rejected("root twice", Reason.CHAIN_LENGTH, with_chain(lambda chain: (*chain, chain[-1]))),
    rejected("issuer left out", Reason.CHAIN_ISSUER_MISMATCH, with_chain(lambda c: (*c[:2], c[-1]), _FACTORY)),
    rejected(
        "leaf signed by another issuer",
        Reason.CHAIN_SIGNATURE,
        lambda: Question.of(
            (
                Scene.default().draft.described_leaf.signed_by(FORGED_KEY),
                *Scene.default().draft.issuers(),
            )
        ),
    ),
    rejected(
        "batch issued by another batch's issuer",
        Reason.CHAIN_SIGNATURE,
        lambda: Question.of(
            (*Scene.default(_FACTORY).draft.chain()[:2], *Scene.default("pixel-3-strongbox").draft.chain()[2:])
        ),
    ),
    rejected(
        "leaf signed with SHA-1",
        Reason.CHAIN_ALGORITHM,
        with_leaf(lambda leaf: replace(leaf, signature_algorithm=_ECDSA_SHA1)),
    ),
    rejected(
        "RSA said, ECDSA done",
        Reason.CHAIN_ALGORITHM,
        with_leaf(lambda leaf: replace(leaf, signature_algorithm=_RSA_SHA256)),
    ),
    rejected("batch key of 1024 bits", Reason.CHAIN_ALGORITHM, _weak_batch),
    rejected("batch key on another curve", Reason.CHAIN_ALGORITHM, _batch_on_other_curve),
    unavailable(
        "no anchors",
        Reason.TRUST_ANCHORS_MISSING,
        lambda: replace(
            Question.of(Scene.default().draft.chain()),
            endorsements=replace(ENDORSEMENTS, android_attestation=()),
        ),
    ),
    rejected(
        "pinned roots only",
        Reason.ANCHOR_UNKNOWN,
        lambda: Question.of(
            Scene.default().draft.chain(),
            endorsements=pinned_endorsements().with_android_status(StatusList({}, NOW)),
        ),
    ),
)

ROLES = (
    rejected(
        "issuer of another family",
        Reason.CHAIN_ISSUER_MISMATCH,
        _with_batch(lambda batch: replace(batch, issuer=name(("CN", "Droid CA4"), ("O", "Google LLC")))),
    ),
    rejected(
        "top certificate in another root's name",
        Reason.CHAIN_ISSUER_MISMATCH,
        _with_issuer(_CA2, lambda ca: replace(ca, issuer=name(("CN", "Somebody Else")))),
    ),
    rejected(
        "provisioned batch that is no CA",
        Reason.CHAIN_CA_FLAG,
        _with_batch(lambda batch: batch.with_extension(basic_constraints(ca=False))),
    ),
    rejected(
        "provisioned batch without constraints",
        Reason.CHAIN_CA_FLAG,
        _with_batch(lambda batch: batch.without_extension("2.5.29.19")),
    ),
    rejected(
        "factory intermediate that is no CA",
        Reason.CHAIN_CA_FLAG,
        _with_issuer(0, lambda ca: ca.with_extension(basic_constraints(ca=False)), _FACTORY),
    ),
    rejected(
        "intermediate that may not sign certificates",
        Reason.CHAIN_KEY_USAGE,
        _with_issuer(_CA3, lambda ca: ca.with_extension(key_usage(DIGITAL_SIGNATURE))),
    ),
    rejected(
        "more CAs than allowed",
        Reason.CHAIN_PATH_LENGTH,
        _with_issuer(_CA2, lambda ca: ca.with_extension(basic_constraints(ca=True, path_length=1))),
    ),
    rejected(
        "unknown critical extension",
        Reason.CHAIN_CRITICAL_EXTENSION,
        with_leaf(lambda leaf: leaf.with_extension(Extension("1.3.6.1.4.1.99999.1", NULL, critical=True))),
    ),
    malformed(
        "basic constraints twice",
        Reason.STRUCTURE_INVALID,
        _with_batch(lambda batch: replace(batch, extensions=(*batch.extensions, basic_constraints(ca=True)))),
    ),
)

SHAPES = (
    rejected(
        "no KeyDescription",
        Reason.KEY_DESCRIPTION_MISSING,
        lambda: Question.of(
            (
                Scene.default().draft.leaf.signed_by(Scene.default().draft.line.batch.key),
                *Scene.default().draft.issuers(),
            )
        ),
    ),
    rejected("two KeyDescriptions in one certificate", Reason.KEY_DESCRIPTION_AMBIGUOUS, _two_descriptions),
    rejected(
        "extended by a forged attestation, provisioned",
        Reason.KEY_DESCRIPTION_REPEATED,
        _extended(extended_by_attestation, "galaxy-s24"),
    ),
    rejected(
        "extended by a forged attestation, factory",
        Reason.KEY_DESCRIPTION_REPEATED,
        _extended(extended_by_attestation, _FACTORY),
    ),
    rejected(
        "extended by a forged attestation, batch no CA",
        Reason.KEY_DESCRIPTION_REPEATED,
        _extended(extended_by_attestation, "galaxy-s9"),
    ),
    rejected(
        "extended by a plain certificate, provisioned",
        Reason.KEY_DESCRIPTION_MISPLACED,
        _extended(extended_by_certificate, "galaxy-s24"),
    ),
    rejected(
        "extended by a plain certificate, batch no CA",
        Reason.KEY_DESCRIPTION_MISPLACED,
        _extended(extended_by_certificate, "huawei-p20"),
    ),
    rejected("reversed", Reason.KEY_DESCRIPTION_MISPLACED, with_chain(lambda chain: tuple(reversed(chain)))),
    rejected("attestation key of the app", Reason.ATTEST_KEY_CHAIN, _attestation_key_chain),
    rejected(
        "KeyDescription that cannot be read in the issuer",
        Reason.KEY_DESCRIPTION_REPEATED,
        _with_batch(lambda batch: batch.with_extension(Extension(kd.OID, b"\x30\x00"))),
    ),
    rejected("provisioning information in the leaf", Reason.PROVISIONING_INFO_MISPLACED, with_leaf(_with_info)),
    rejected(
        "provisioning information above the batch",
        Reason.PROVISIONING_INFO_MISPLACED,
        _with_issuer(_CA3, _with_info),
    ),
    rejected(
        "provisioning information twice",
        Reason.PROVISIONING_INFO_MISPLACED,
        _with_batch(
            lambda batch: replace(batch, extensions=(*batch.extensions, Extension(PROVISIONING_INFO, b"\xa1\x01\x01")))
        ),
    ),
    rejected(
        "chain of a provisioned one's length under a factory's name",
        Reason.CHAIN_LENGTH,
        lambda: Question.of(_relabelled().chain()),
    ),
)


def _relabelled() -> ChainDraft:
    """A chain as long as RKP's under a top certificate with a factory's name."""
    draft = Scene.default().draft
    ca3, ca2 = draft.line.above
    factory = name(("serialNumber", "0123456789abcdef"))
    above = (
        SigningCertificate(ca3.key, replace(ca3.template, issuer=factory)),
        SigningCertificate(ca2.key, replace(ca2.template, subject=factory)),
    )
    return replace(draft, line=replace(draft.line, above=above))


DATES = (
    rejected("batch not valid yet", Reason.CHAIN_NOT_YET_VALID, _with_batch(_dated(NOW + 1, NOW + DAY))),
    rejected("batch expired", Reason.CHAIN_EXPIRED, _with_batch(_dated(NOW - DAY, NOW - 1))),
    rejected("Droid CA3 expired", Reason.CHAIN_EXPIRED, _with_issuer(_CA3, _dated(NOW - DAY, NOW - 1))),
    rejected("Droid CA2 not valid yet", Reason.CHAIN_NOT_YET_VALID, _with_issuer(_CA2, _dated(NOW + 1, NOW + DAY))),
    rejected(
        "factory batch not valid yet",
        Reason.CHAIN_NOT_YET_VALID,
        _with_batch(_dated(NOW + 1, NOW + DAY), _FACTORY),
    ),
    rejected(
        "issuer whose dates cannot be read",
        Reason.CHAIN_NOT_YET_VALID,
        _with_batch(lambda batch: replace(batch, validity=sequence(b"\x17\x01Z", b"\x17\x01Z")), _FACTORY),
    ),
)

REVOCATION = (
    rejected("batch revoked", Reason.CERTIFICATE_REVOKED, _revoked(1)),
    rejected("factory batch revoked", Reason.CERTIFICATE_REVOKED, _revoked(1, release=_FACTORY)),
    rejected("batch suspended", Reason.CERTIFICATE_REVOKED, _revoked(1, "SUSPENDED")),
    rejected("batch in a status of the future", Reason.CERTIFICATE_REVOKED, _revoked(1, "QUARANTINED")),
    rejected("intermediate revoked", Reason.CERTIFICATE_REVOKED, _revoked(2)),
    rejected("top certificate revoked", Reason.CERTIFICATE_REVOKED, _revoked(3)),
    rejected("root revoked", Reason.CERTIFICATE_REVOKED, _revoked(4)),
    rejected("leaf of a long serial revoked", Reason.CERTIFICATE_REVOKED, _long_leaf_serial),
    unavailable(
        "no status list",
        Reason.ENDORSEMENTS_MISSING,
        lambda: Question.of(Scene.default().draft.chain(), endorsements=ENDORSEMENTS.with_android_status(None)),
    ),
    unavailable("status list too old", Reason.ENDORSEMENTS_STALE, _aged(48 * 3600 + 1)),
    unavailable("status list of the future", Reason.ENDORSEMENTS_STALE, _aged(-3600)),
)

CHAIN_MUTATIONS = (*LIMITS, *SIGNATURES, *ROLES, *SHAPES, *DATES, *REVOCATION)
