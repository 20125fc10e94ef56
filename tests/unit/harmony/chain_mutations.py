"""One change to a good HUKS attestation: in its chain, or in where its statement stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import Reason
from attestation.evidence import AttestationKind
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    Extension,
    SigningCertificate,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, octet_string, sequence, tlv
from devkit.devices.authority.harmony import DAY
from devkit.devices.harmony import hostile
from devkit.devices.harmony.device import ChainDraft
from devkit.devices.harmony.huks_statement import OID, challenge
from tests.unit.apple_mutations.scene import Drawn

from .scene import (
    DIGEST,
    ENDORSEMENTS,
    FORGED_KEY,
    HARMONY,
    NOW,
    OTHER_AUTHORITY,
    KeyQuestion,
    Mutation,
    anchor_of,
    asking,
    chain_draft,
    device_of,
    malformed,
    unavailable,
    with_chain,
)

ANONYMOUS, NON_ANONYMOUS = AttestationKind.ANONYMOUS, AttestationKind.NON_ANONYMOUS
SHA1_WITH_ECDSA = bytes.fromhex("300906072a8648ce3d0401")
SHA384_WITH_ECDSA = bytes.fromhex("300a06082a8648ce3d040303")

GOOD = KeyQuestion(chain=chain_draft().chain())


def with_leaf(**changes: object) -> Callable[[], KeyQuestion]:
    return with_chain(lambda draft: replace(draft, leaf=replace(draft.leaf, **changes)))  # type: ignore[arg-type]


def with_leaf_extension(extension: Extension) -> Callable[[], KeyQuestion]:
    return with_chain(lambda draft: replace(draft, leaf=draft.leaf.with_extension(extension)))


def with_issuer(change: Callable[[CertificateTemplate], CertificateTemplate]) -> Callable[[], KeyQuestion]:
    """The certificate above the leaf, changed and signed again by the root."""
    return with_chain(lambda draft: reissued(draft, change(draft.line.first.template)))


def with_statement(extension: Extension) -> Callable[[], KeyQuestion]:
    """Any bytes where the statement belongs, signed by the genuine issuer."""

    def make() -> KeyQuestion:
        draft = chain_draft()
        return KeyQuestion(chain=draft.line.chain(draft.leaf.with_extension(extension)))

    return make


def with_first(certificate: bytes) -> Callable[[], KeyQuestion]:
    """Other bytes in the place of the leaf."""
    return asking(GOOD, chain=(certificate, *GOOD.chain[1:]))


def reissued(
    draft: ChainDraft, template: CertificateTemplate, key: ec.EllipticCurvePrivateKey | None = None
) -> ChainDraft:
    first, *rest = draft.line.issuers
    return replace(draft, line=replace(draft.line, issuers=(SigningCertificate(key or first.key, template), *rest)))


def extended(forge: Callable[..., tuple[bytes, ...]]) -> Callable[[], KeyQuestion]:
    """A genuinely attested key signs below itself."""

    def make() -> KeyQuestion:
        device = device_of()
        attested = device.generate_key()
        return KeyQuestion(chain=forge(device.draft(spki_of(attested), DIGEST), attested, FORGED_KEY))

    return make


def of_another_authority() -> KeyQuestion:
    return KeyQuestion(chain=chain_draft(device_of(authority=OTHER_AUTHORITY.harmony)).chain())


def of_a_root_of_the_same_name() -> KeyQuestion:
    draft = chain_draft(device_of(authority=OTHER_AUTHORITY.harmony))
    renamed = replace(draft.line.first.template, issuer=HARMONY.root_name)
    return KeyQuestion(chain=replace(reissued(draft, renamed), root=False).chain())


def declared(kind: AttestationKind) -> Callable[[], KeyQuestion]:
    """A chain of the other kind, where the two have different roots, as Huawei's have."""
    made = NON_ANONYMOUS if kind is ANONYMOUS else ANONYMOUS
    right, wrong = (anchor_of_default(),), (anchor_of(OTHER_AUTHORITY),)
    endorsements = replace(
        pinned_endorsements(),
        harmony_anonymous=right if made is ANONYMOUS else wrong,
        harmony_non_anonymous=right if made is NON_ANONYMOUS else wrong,
    )
    return lambda: KeyQuestion(chain=chain_draft(kind=made).chain(), kind=kind, endorsements=endorsements)


def anchor_of_default() -> TrustAnchor:
    return ENDORSEMENTS.harmony_anonymous[-1]


def with_a_ca_too_many() -> KeyQuestion:
    """The device's own CA, as in offline chains, below one that allows no CA below it."""
    draft = chain_draft(offline=True)
    device_ca, sub_ca = draft.line.issuers
    narrow = SigningCertificate(sub_ca.key, sub_ca.template.with_extension(basic_constraints(ca=True, path_length=0)))
    return KeyQuestion(chain=replace(draft, line=replace(draft.line, issuers=(device_ca, narrow))).chain())


def with_a_weak_issuer() -> KeyQuestion:
    draft, weak = chain_draft(), new_private_key(ec.SECP224R1(), Drawn("weak issuer"))
    return KeyQuestion(chain=reissued(draft, replace(draft.line.first.template, spki=spki_of(weak)), weak).chain())


def with_two_statements() -> KeyQuestion:
    """One certificate attests over our challenge and over another."""
    draft = chain_draft()
    other = draft.statement.with_claim(challenge(bytes(32))).extension()
    leaf = draft.leaf.with_extension(draft.statement.extension())
    return KeyQuestion(chain=draft.line.chain(replace(leaf, extensions=(*leaf.extensions, other))))


SIZES = (
    Mutation("a leaf alone", Reason.CHAIN_LENGTH, asking(GOOD, chain=GOOD.chain[:1])),
    Mutation("no certificate", Reason.CHAIN_LENGTH, asking(GOOD, chain=())),
    Mutation("six certificates", Reason.CHAIN_LENGTH, asking(GOOD, chain=GOOD.chain[:2] * 3)),
    malformed("a huge certificate", Reason.EVIDENCE_TOO_LARGE, with_first(bytes(17_000))),
    malformed("octets behind the leaf", Reason.ENCODING_INVALID, with_first(GOOD.chain[0] + b"\0")),
    malformed("a cut leaf", Reason.ENCODING_INVALID, with_first(GOOD.chain[0][:-1])),
    malformed("DER that is no certificate", Reason.STRUCTURE_INVALID, with_first(sequence(NULL))),
)
ROOTS = (
    Mutation("root first", Reason.ATTESTATION_MISPLACED, asking(GOOD, chain=GOOD.chain[::-1])),
    Mutation("another root", Reason.ANCHOR_UNKNOWN, of_another_authority),
    Mutation("another root of the same name", Reason.ANCHOR_UNKNOWN, of_a_root_of_the_same_name),
    Mutation("a test root in production", Reason.ANCHOR_UNKNOWN, asking(GOOD, endorsements=pinned_endorsements())),
    Mutation("an anonymous chain declared non-anonymous", Reason.ANCHOR_UNKNOWN, declared(NON_ANONYMOUS)),
    Mutation("a non-anonymous chain declared anonymous", Reason.ANCHOR_UNKNOWN, declared(ANONYMOUS)),
    unavailable(
        "no roots at all",
        Reason.TRUST_ANCHORS_MISSING,
        asking(GOOD, endorsements=replace(ENDORSEMENTS, harmony_anonymous=())),
    ),
    Mutation("an app of other platforms", Reason.REFERENCE_VALUES_MISSING, asking(GOOD, expected=None)),
)
ROLES = (
    Mutation("leaf signs leaf", Reason.ATTESTATION_MISPLACED, extended(hostile.leaf_signs_leaf)),
    Mutation("leaf signs plain leaf", Reason.ATTESTATION_MISPLACED, extended(hostile.leaf_signs_plain_leaf)),
    Mutation(
        "an issuer with an attestation",
        Reason.ATTESTATION_MISPLACED,
        with_issuer(lambda issuer: issuer.with_extension(chain_draft().statement.extension())),
    ),
    Mutation("a leaf that is a CA", Reason.CHAIN_CA_FLAG, with_leaf_extension(basic_constraints(ca=True))),
    Mutation(
        "an issuer that is no CA",
        Reason.CHAIN_CA_FLAG,
        with_issuer(lambda issuer: issuer.with_extension(basic_constraints(ca=False))),
    ),
    Mutation(
        "an issuer without basic constraints",
        Reason.CHAIN_CA_FLAG,
        with_issuer(lambda issuer: issuer.without_extension("2.5.29.19")),
    ),
    Mutation(
        "an issuer whose key is not for certificates",
        Reason.CHAIN_KEY_USAGE,
        with_issuer(lambda issuer: issuer.with_extension(key_usage(0x80))),
    ),
    Mutation("a CA too many", Reason.CHAIN_PATH_LENGTH, with_a_ca_too_many),
    Mutation(
        "an unknown critical extension",
        Reason.CHAIN_CRITICAL_EXTENSION,
        with_leaf_extension(Extension("1.2.3.4", NULL, critical=True)),
    ),
    malformed(
        "two basic constraints",
        Reason.STRUCTURE_INVALID,
        with_leaf(extensions=(basic_constraints(ca=False), basic_constraints(ca=True))),
    ),
)
LINKS = (
    Mutation("a leaf of another issuer", Reason.CHAIN_ISSUER_MISMATCH, with_leaf(issuer=name(("CN", "Somebody")))),
    Mutation(
        "a leaf signed by another key of the same name",
        Reason.CHAIN_SIGNATURE,
        lambda: KeyQuestion(chain=(of_another_authority().chain[0], *GOOD.chain[1:])),
    ),
    Mutation("an issuer on a weak curve", Reason.CHAIN_ALGORITHM, with_a_weak_issuer),
    Mutation("a SHA-1 signature", Reason.CHAIN_ALGORITHM, with_leaf(signature_algorithm=SHA1_WITH_ECDSA)),
    malformed(
        "two names for the algorithm",
        Reason.STRUCTURE_INVALID,
        with_leaf(outer_signature_algorithm=SHA384_WITH_ECDSA),
    ),
    Mutation("an expired leaf", Reason.CHAIN_EXPIRED, with_chain(hostile.expired)),
    Mutation("a leaf a week later", Reason.CHAIN_EXPIRED, asking(GOOD, now=NOW + 7 * DAY)),
    Mutation("a leaf of tomorrow", Reason.CHAIN_NOT_YET_VALID, asking(GOOD, now=NOW - 2 * DAY)),
    Mutation(
        "a leaf whose end cannot be read",
        Reason.CHAIN_EXPIRED,
        with_leaf(validity=sequence(tlv(0x17, b"700101000000Z"), tlv(0x17, b"never"))),
    ),
    Mutation(
        "an expired issuer",
        Reason.CHAIN_EXPIRED,
        with_issuer(lambda issuer: replace(issuer, not_after=NOW - DAY)),
    ),
)
STATEMENT_PLACES = (
    Mutation("no statement", Reason.ATTESTATION_MISSING, with_statement(Extension("1.2.3.4", NULL))),
    Mutation("two statements", Reason.CLAIM_REPEATED, with_two_statements),
    malformed("an empty statement", Reason.ENCODING_INVALID, with_statement(Extension(OID, b""))),
    malformed(
        "a statement in an OCTET STRING",
        Reason.STRUCTURE_INVALID,
        with_statement(Extension(OID, octet_string(chain_draft().statement.encode()))),
    ),
    malformed(
        "octets behind the statement",
        Reason.STRUCTURE_INVALID,
        with_statement(Extension(OID, chain_draft().statement.encode() + NULL)),
    ),
)
CHAIN_MUTATIONS = (*SIZES, *ROOTS, *ROLES, *LINKS, *STATEMENT_PLACES)
