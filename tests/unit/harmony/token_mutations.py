"""One change to a good SysIntegrity token: its header, its certificates, its signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

from attestation.endorsements import pinned_endorsements
from attestation.errors import Reason
from attestation.evidence import IntegrityProfile
from bonafide_tokens.jose import b64url_encode

from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    Extension,
    SigningCertificate,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, sequence, tlv
from devkit.devices.authority.harmony import DAY, ENHANCED_SIGNER, SIGNING_HOST, rsa_key
from devkit.devices.harmony import hostile
from devkit.devices.harmony.huks_statement import OID
from devkit.devices.harmony.integrity_draft import TokenDraft

from .scene import (
    AUTHORITY,
    DIGEST,
    ENDORSEMENTS,
    ENHANCED,
    HARMONY,
    HMS,
    NEXT,
    NOW,
    OTHER_AUTHORITY,
    Mutation,
    TokenQuestion,
    anchor_of,
    device_of,
    malformed,
    token_draft,
    unavailable,
    with_token,
)

SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"


def with_text(profile: IntegrityProfile, change: Callable[[str], str]) -> Callable[[], TokenQuestion]:
    """The sealed token with its text changed."""
    return lambda: TokenQuestion(token=change(token_draft(profile).seal()), profile=profile)


def with_header(profile: IntegrityProfile, **members: object) -> Callable[[], TokenQuestion]:
    return with_token(profile, lambda draft: replace(draft, header=members))


def with_signer(
    profile: IntegrityProfile, change: Callable[[CertificateTemplate], CertificateTemplate]
) -> Callable[[], TokenQuestion]:
    """The signer's certificate changed, and issued again by the genuine CA."""

    def changed(draft: TokenDraft) -> TokenDraft:
        signer = HARMONY.enhanced_signer() if profile is ENHANCED else HARMONY.host_signer()
        line = HARMONY.anonymous_line() if profile is ENHANCED else HARMONY.integrity_line()
        return replace(draft, certificates=line.chain(change(signer.template)))

    return with_token(profile, changed)


def with_issuer(change: Callable[[CertificateTemplate], CertificateTemplate]) -> Callable[[], TokenQuestion]:
    """The CA of a token for HarmonyOS 5 changed, and issued again by the root."""

    def changed(draft: TokenDraft) -> TokenDraft:
        line = HARMONY.integrity_line()
        issuer = SigningCertificate(line.first.key, change(line.first.template))
        return replace(draft, certificates=replace(line, issuers=(issuer,)).chain(HARMONY.host_signer().template))

    return with_token(NEXT, changed)


def with_chain_of(profile: IntegrityProfile, length: int) -> Callable[[], TokenQuestion]:
    return with_token(profile, lambda draft: replace(draft, certificates=(draft.certificates * 3)[:length]))


def made_by(forge: Callable[..., TokenDraft], profile: IntegrityProfile) -> Callable[[], TokenQuestion]:
    """A token that an attacker makes from what genuine devices, developers and hosts have."""
    return lambda: TokenQuestion(token=forge(device_of(profile=profile), DIGEST).seal(), profile=profile)


def wrong_root(profile: IntegrityProfile) -> Callable[[], TokenQuestion]:
    """The root that is right for every profile but this one."""
    field = f"harmony_{profile.value}"
    endorsements = replace(ENDORSEMENTS, **{field: (anchor_of(OTHER_AUTHORITY),)})  # type: ignore[arg-type]
    return lambda: TokenQuestion(token=token_draft(profile).seal(), profile=profile, endorsements=endorsements)


def with_x5c_text(change: Callable[[str], object]) -> Callable[[], TokenQuestion]:
    """The text of the first certificate in x5c, changed."""

    def changed(draft: TokenDraft) -> TokenDraft:
        texts: list[object] = [base64.b64encode(certificate).decode("ascii") for certificate in draft.certificates]
        return replace(draft, header={"x5c": [change(str(texts[0])), *texts[1:]]})

    return with_token(NEXT, changed)


def with_repeated_algorithm(draft: TokenDraft) -> TokenDraft:
    x5c = json.dumps([base64.b64encode(certificate).decode("ascii") for certificate in draft.certificates])
    return replace(draft, header_json=f'{{"alg":"none","alg":"{draft.algorithm}","x5c":{x5c}}}'.encode())


def signed_by_another(draft: TokenDraft) -> TokenDraft:
    return replace(draft, key=rsa_key("somebody"))


def common_name(text: str) -> Callable[[CertificateTemplate], CertificateTemplate]:
    """That common name, and no DNS name."""
    return lambda leaf: replace(leaf.without_extension(SUBJECT_ALTERNATIVE_NAME), subject=name(("CN", text)))


def dns_names(*hosts: str) -> Callable[[CertificateTemplate], CertificateTemplate]:
    """Those DNS names beside the right common name."""
    names = sequence(*(tlv(0x82, host.encode("ascii")) for host in hosts))
    return lambda leaf: leaf.with_extension(Extension(SUBJECT_ALTERNATIVE_NAME, names))


def swapped_payload() -> TokenQuestion:
    header, _, signature = token_draft(NEXT).seal().split(".")
    _, payload, _ = token_draft(NEXT).with_payload(basicIntegrity=False).seal().split(".")
    return TokenQuestion(token=f"{header}.{payload}.{signature}", profile=NEXT)


def der_signature() -> TokenQuestion:
    """ECDSA as X.509 spells it, not as JOSE does."""
    text = token_draft(ENHANCED).seal().rpartition(".")[0]
    signature = sequence(tlv(2, b"\x01" * 32), tlv(2, b"\x01" * 32))
    return TokenQuestion(token=f"{text}.{b64url_encode(signature)}", profile=ENHANCED)


def with_a_ca_too_many() -> TokenQuestion:
    """A device's own CA below one that allows no CA below it issues the signer."""
    signer, line = HARMONY.enhanced_signer(), HARMONY.anonymous_line(offline=True)
    device_ca, sub_ca = line.issuers
    narrow = SigningCertificate(sub_ca.key, sub_ca.template.with_extension(basic_constraints(ca=True, path_length=0)))
    leaf = replace(signer.template, issuer=device_ca.name)
    certificates = replace(line, issuers=(device_ca, narrow)).chain(leaf, root=False)
    return TokenQuestion(token=replace(token_draft(ENHANCED), certificates=certificates).seal(), profile=ENHANCED)


def with_a_signer_of_another_authority() -> TokenQuestion:
    """Their signer's certificate above our issuers, which have the same names."""
    theirs = device_of(profile=NEXT, authority=OTHER_AUTHORITY.harmony).token_draft(DIGEST)
    certificates = (theirs.certificates[0], *token_draft(NEXT).certificates[1:])
    return TokenQuestion(token=replace(theirs, certificates=certificates).seal(), profile=NEXT)


SHAPES = (
    malformed("token: endless", Reason.EVIDENCE_TOO_LARGE, with_text(NEXT, lambda text: text + "A" * 33_000)),
    malformed("token: two segments", Reason.STRUCTURE_INVALID, with_text(NEXT, lambda text: text.rpartition(".")[0])),
    malformed("token: four segments", Reason.STRUCTURE_INVALID, with_text(NEXT, lambda text: text + ".e30")),
    malformed(
        "token: no signature", Reason.STRUCTURE_INVALID, with_text(NEXT, lambda text: text[: text.rindex(".") + 1])
    ),
    malformed("token: padded", Reason.ENCODING_INVALID, with_text(NEXT, lambda text: text + "==")),
    malformed("token: a blank", Reason.ENCODING_INVALID, with_text(NEXT, lambda text: text + " ")),
    malformed("token: text that is not ASCII", Reason.ENCODING_INVALID, with_text(NEXT, lambda text: "é" + text)),
    malformed(
        "token: header that is no object",
        Reason.ENCODING_INVALID,
        with_token(NEXT, lambda draft: replace(draft, header_json=b"[]")),
    ),
    malformed("token: repeated header member", Reason.ENCODING_INVALID, with_token(NEXT, with_repeated_algorithm)),
)
ALGORITHMS = (
    Mutation(
        "token: alg none",
        Reason.INTEGRITY_TOKEN_ALGORITHM,
        with_token(HMS, lambda draft: replace(draft, algorithm="none")),
    ),
    Mutation("token: HS256", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(HMS, alg="HS256")),
    Mutation("token: RS512", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(NEXT, alg="RS512")),
    Mutation("token: ES256 for HarmonyOS 5", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(NEXT, alg="ES256")),
    Mutation("token: RS256 for HarmonyOS 6", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(ENHANCED, alg="RS256")),
    Mutation("token: alg in a list", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(NEXT, alg=["RS256"])),
    Mutation(
        "token: no alg",
        Reason.INTEGRITY_TOKEN_ALGORITHM,
        with_token(NEXT, lambda draft: replace(draft, header_json=b'{"x5c":[]}')),
    ),
    *(
        Mutation(f"token: header with {member}", Reason.INTEGRITY_TOKEN_ALGORITHM, with_header(NEXT, **{member: value}))
        for member, value in {
            "crit": ["exp"],
            "b64": False,
            "zip": "DEF",
            "jwk": {"kty": "oct"},
            "jku": "https://keys.example",
            "x5u": "https://certificates.example",
        }.items()
    ),
)
CERTIFICATES = (
    Mutation("token: a leaf alone", Reason.CHAIN_LENGTH, with_chain_of(NEXT, 1)),
    Mutation("token: five certificates", Reason.CHAIN_LENGTH, with_chain_of(NEXT, 5)),
    malformed("token: x5c that is text", Reason.STRUCTURE_INVALID, with_header(NEXT, x5c="MIIB")),
    malformed("token: x5c of numbers", Reason.STRUCTURE_INVALID, with_header(NEXT, x5c=[1, 2])),
    malformed("token: no x5c", Reason.STRUCTURE_INVALID, with_header(NEXT, x5c=None)),
    malformed(
        "token: base64url in x5c",
        Reason.ENCODING_INVALID,
        with_x5c_text(lambda text: b64url_encode(base64.b64decode(text)) + "-_"),
    ),
    malformed(
        "token: a line break in x5c", Reason.ENCODING_INVALID, with_x5c_text(lambda text: text[:64] + "\n" + text[64:])
    ),
    malformed("token: no padding in x5c", Reason.ENCODING_INVALID, with_x5c_text(lambda text: text.rstrip("=") + "A")),
    malformed(
        "token: octets behind a certificate",
        Reason.ENCODING_INVALID,
        with_x5c_text(lambda text: base64.b64encode(base64.b64decode(text) + b"\0").decode()),
    ),
    Mutation(
        "token: another root",
        Reason.ANCHOR_UNKNOWN,
        lambda: TokenQuestion(
            token=device_of(profile=NEXT, authority=OTHER_AUTHORITY.harmony).check_integrity(DIGEST), profile=NEXT
        ),
    ),
    Mutation(
        "token: a test root in production",
        Reason.ANCHOR_UNKNOWN,
        lambda: TokenQuestion(token=token_draft(ENHANCED).seal(), profile=ENHANCED, endorsements=pinned_endorsements()),
    ),
    *(
        Mutation(f"token: wrong root for {profile}", Reason.ANCHOR_UNKNOWN, wrong_root(profile))
        for profile in IntegrityProfile
    ),
    unavailable(
        "token: no roots at all",
        Reason.TRUST_ANCHORS_MISSING,
        lambda: TokenQuestion(
            token=token_draft(NEXT).seal(), profile=NEXT, endorsements=replace(ENDORSEMENTS, harmony_next=())
        ),
    ),
    Mutation(
        "token: a developer issues the signer", Reason.CHAIN_CA_FLAG, made_by(hostile.token_below_developer, NEXT)
    ),
    Mutation(
        "token: a HUKS key issues the signer", Reason.CHAIN_CA_FLAG, made_by(hostile.token_below_huks_key, ENHANCED)
    ),
    Mutation(
        "token: issuer's key not for certificates",
        Reason.CHAIN_KEY_USAGE,
        with_issuer(lambda ca: ca.with_extension(key_usage(0x80))),
    ),
    Mutation(
        "token: issuer without basic constraints",
        Reason.CHAIN_CA_FLAG,
        with_issuer(lambda ca: ca.without_extension("2.5.29.19")),
    ),
    Mutation("token: expired issuer", Reason.CHAIN_EXPIRED, with_issuer(lambda ca: replace(ca, not_after=NOW - DAY))),
    Mutation(
        "token: expired signer",
        Reason.CHAIN_EXPIRED,
        with_signer(NEXT, lambda leaf: replace(leaf, not_after=NOW - DAY)),
    ),
    Mutation(
        "token: signer of tomorrow",
        Reason.CHAIN_NOT_YET_VALID,
        with_signer(NEXT, lambda leaf: replace(leaf, not_before=NOW + DAY)),
    ),
    Mutation(
        "token: signer of another issuer",
        Reason.CHAIN_ISSUER_MISMATCH,
        with_signer(NEXT, lambda leaf: replace(leaf, issuer=name(("CN", "Somebody")))),
    ),
    Mutation(
        "token: an unknown critical extension",
        Reason.CHAIN_CRITICAL_EXTENSION,
        with_signer(NEXT, lambda leaf: leaf.with_extension(Extension("1.2.3.4", NULL, critical=True))),
    ),
    Mutation(
        "token: SHA-1 certificate",
        Reason.CHAIN_ALGORITHM,
        with_signer(NEXT, lambda leaf: replace(leaf, signature_algorithm=bytes.fromhex("300906072a8648ce3d0401"))),
    ),
    Mutation("token: a CA too many", Reason.CHAIN_PATH_LENGTH, with_a_ca_too_many),
    Mutation("token: signer of another authority", Reason.CHAIN_SIGNATURE, with_a_signer_of_another_authority),
)
SIGNERS = (
    Mutation("token: a developer signs", Reason.INTEGRITY_TOKEN_SIGNER, made_by(hostile.token_by_developer, HMS)),
    Mutation("token: the host as a prefix", Reason.INTEGRITY_TOKEN_SIGNER, made_by(hostile.token_by_host, NEXT)),
    Mutation(
        "token: the host as a suffix",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(NEXT, dns_names(f"evil-{SIGNING_HOST}")),
    ),
    Mutation(
        "token: a wildcard", Reason.INTEGRITY_TOKEN_SIGNER, with_signer(NEXT, dns_names("*.platform.hicloud.com"))
    ),
    Mutation(
        "token: the host with a NUL",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(NEXT, dns_names(f"{SIGNING_HOST}\0.evil.example")),
    ),
    Mutation(
        "token: another DNS name, the right common name",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(HMS, dns_names("evil.example")),
    ),
    Mutation(
        "token: another common name",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(HMS, common_name(f"{SIGNING_HOST}.evil.example")),
    ),
    Mutation(
        "token: two common names",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(
            HMS,
            lambda leaf: replace(
                leaf.without_extension(SUBJECT_ALTERNATIVE_NAME),
                subject=name(("CN", "evil.example"), ("CN", SIGNING_HOST)),
            ),
        ),
    ),
    Mutation("token: a HUKS key signs", Reason.INTEGRITY_TOKEN_SIGNER, made_by(hostile.token_by_huks_key, ENHANCED)),
    Mutation(
        "token: the signer's name on a HUKS key",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(ENHANCED, lambda leaf: leaf.with_extension(Extension(OID, NULL))),
    ),
    Mutation(
        "token: enhanced signer of another name",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(ENHANCED, common_name(f"{ENHANCED_SIGNER} 2")),
    ),
    Mutation(
        "token: enhanced signer of two names",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(
            ENHANCED, lambda leaf: replace(leaf, subject=name(("CN", ENHANCED_SIGNER), ("CN", ENHANCED_SIGNER)))
        ),
    ),
    Mutation(
        "token: the host signs for HarmonyOS 6",
        Reason.INTEGRITY_TOKEN_SIGNER,
        with_signer(ENHANCED, common_name(SIGNING_HOST)),
    ),
    Mutation(
        "token: a signer that is a CA",
        Reason.CHAIN_CA_FLAG,
        with_signer(NEXT, lambda leaf: leaf.with_extension(basic_constraints(ca=True))),
    ),
    Mutation(
        "token: a signer not for signatures",
        Reason.CHAIN_KEY_USAGE,
        with_signer(NEXT, lambda leaf: leaf.with_extension(key_usage(0x20))),
    ),
    malformed(
        "token: an enhanced signer with an RSA key",
        Reason.KEY_UNREADABLE,
        with_signer(ENHANCED, lambda leaf: replace(leaf, spki=spki_of(rsa_key("service")))),
    ),
    Mutation(
        "token: a host signer with an EC key",
        Reason.INTEGRITY_TOKEN_ALGORITHM,
        with_signer(NEXT, lambda leaf: replace(leaf, spki=spki_of(AUTHORITY.root.key))),
    ),
)
SIGNATURES = (
    Mutation("token: another key", Reason.INTEGRITY_TOKEN_SIGNATURE, with_token(NEXT, signed_by_another)),
    Mutation(
        "token: PS256 said, RS256 made",
        Reason.INTEGRITY_TOKEN_SIGNATURE,
        with_token(NEXT, lambda draft: replace(draft, header={"alg": "PS256"})),
    ),
    Mutation(
        "token: RS256 said, PS256 made",
        Reason.INTEGRITY_TOKEN_SIGNATURE,
        with_token(HMS, lambda draft: replace(draft, header={"alg": "RS256"})),
    ),
    Mutation("token: another payload under the signature", Reason.INTEGRITY_TOKEN_SIGNATURE, swapped_payload),
    Mutation("token: a DER signature", Reason.INTEGRITY_TOKEN_SIGNATURE, der_signature),
)
TOKEN_MUTATIONS = (*SHAPES, *ALGORITHMS, *CERTIFICATES, *SIGNERS, *SIGNATURES)
