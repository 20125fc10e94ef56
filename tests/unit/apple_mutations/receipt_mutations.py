"""Every way to get a receipt wrong: one change each, in the order of the verification steps (A3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from attestation.apple.receipt import Receipt, ReceiptType, verify_receipt
from attestation.endorsements import Endorsements
from attestation.errors import Reason
from attestation.evidence import AppleReceipt
from attestation.reference_values import AppleReferenceValues, Environment
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.receipt import APP_ID as FIELD_APP_ID
from devkit.devices.apple.receipt import (
    ATTESTED_KEY,
    CREATED_AT,
    ENVIRONMENT,
    EXPIRES_AT,
    RISK_METRIC,
    TYPE,
    ReceiptDraft,
    SignerInfo,
    timestamp,
)
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
from devkit.devices.authority.der_writer import NULL, explicit, object_identifier, sequence

from .scene import (
    APP_ID,
    AUTHORITY,
    CLIENT_DATA_HASH,
    ENDORSEMENTS,
    NOW,
    OTHER_AUTHORITY,
    Drawn,
    Mutation,
    Scene,
    malformed,
    rejected,
    unavailable,
)

APPLE = AUTHORITY.apple
SIGNER = APPLE.receipt_signer(NOW)
MARKER_OID = "1.2.840.113635.100.12.15"
_OTHER_KEY = new_private_key(ec.SECP256R1(), Drawn("other key"))
_FOREVER: dict[str, Any] = {"not_before": NOW - 900 * 86_400, "not_after": NOW + 900 * 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptQuestion:
    """Everything the receipt verifier is given."""

    receipt: bytes
    attested_public_key: bytes
    app_ids: tuple[str, ...] = (APP_ID,)
    environments: frozenset[Environment] = frozenset({Environment.PRODUCTION})
    endorsements: Endorsements = ENDORSEMENTS
    now: float = NOW
    max_age: float | None = 300.0
    expected_type: ReceiptType = ReceiptType.ATTEST
    client_data_hash: bytes = CLIENT_DATA_HASH

    def ask(self) -> Receipt:
        return verify_receipt(
            AppleReceipt(self.receipt),
            attested_public_key=self.attested_public_key,
            reference_values=AppleReferenceValues(app_ids=self.app_ids, environments=self.environments),
            endorsements=self.endorsements,
            now=self.now,
            max_age=self.max_age,
            expected_type=self.expected_type,
            client_data_hash=self.client_data_hash,
        )


def default_draft() -> ReceiptDraft:
    scene = Scene.default()
    return scene.phone.receipt_draft(scene.attestation.leaf_certificate, CLIENT_DATA_HASH)


def default_question(receipt: bytes | None = None, **changes: Any) -> ReceiptQuestion:
    sealed = default_draft().seal() if receipt is None else receipt
    return ReceiptQuestion(receipt=sealed, attested_public_key=Scene.default().key.point, **changes)


def _draft(change: Callable[[ReceiptDraft], ReceiptDraft]) -> Callable[[], ReceiptQuestion]:
    """A change before signing: what the signer itself would have to say."""
    return lambda: default_question(change(default_draft()).seal())


def _field(kind: int, value: bytes | str | None) -> Callable[[], ReceiptQuestion]:
    return _draft(lambda draft: draft.with_field(kind, value))


def _raw(change: Callable[[bytes], bytes]) -> Callable[[], ReceiptQuestion]:
    return lambda: default_question(change(default_draft().seal()))


def _asked(**changes: Any) -> Callable[[], ReceiptQuestion]:
    return lambda: default_question(**changes)


def _infos(make: Callable[[SignerInfo], tuple[SignerInfo, ...]]) -> Callable[[], ReceiptQuestion]:
    """Other signer infos in the place of the one."""

    def change(draft: ReceiptDraft) -> ReceiptDraft:
        return replace(draft, signer_infos=make(SignerInfo.over(draft.encode_fields(), draft.signer)))

    return _draft(change)


def with_signer(change: Callable[[CertificateTemplate], CertificateTemplate]) -> Callable[[], ReceiptQuestion]:
    """The signer's certificate changed, issued by the real receipt CA."""

    def make(draft: ReceiptDraft) -> ReceiptDraft:
        certificate = change(APPLE.receipt_signer_template(NOW)).signed_by(APPLE.receipt_ca.key)
        return replace(
            draft, signer=Issuer(SIGNER.key, certificate), certificates=(certificate, *draft.certificates[1:])
        )

    return _draft(make)


def _issued_by(ca: Issuer, *more: bytes) -> Callable[[], ReceiptQuestion]:
    """The real signer's key, certified by another CA with the receipt CA's name."""

    def make(draft: ReceiptDraft) -> ReceiptDraft:
        certificate = APPLE.receipt_signer_template(NOW).signed_by(ca.key)
        return replace(draft, signer=Issuer(SIGNER.key, certificate), certificates=(certificate, ca.certificate, *more))

    return _draft(make)


def _receipt_ca(key: ec.EllipticCurvePrivateKey, signer: Issuer, **changes: Any) -> Issuer:
    """A certificate with the receipt CA's name, issued by ``signer``."""
    arguments: dict[str, Any] = {
        "serial": 4242,
        "issuer": signer.name,
        "subject": APPLE.receipt_ca.name,
        "spki": spki_of(key),
        "extensions": (basic_constraints(ca=True), key_usage(0x06)),
        **_FOREVER,
    }
    return Issuer(key, CertificateTemplate(**(arguments | changes)).signed_by(signer.key))


def below_cas(count: int) -> ReceiptQuestion:
    """The real signer's key, certified below so many CAs of the real root's."""
    above, certificates = AUTHORITY.root, []
    for number in range(count - 1):
        key = new_private_key(ec.SECP256R1(), Drawn(f"CA {number}"))
        above = _receipt_ca(key, above, subject=name(("CN", f"CA {number}")))
        certificates.append(above.certificate)
    last = _receipt_ca(_OTHER_KEY, above)
    return _issued_by(last, *certificates)()


def _attestation_leaf_signs() -> ReceiptQuestion:
    """A genuine attested key, certified by the same root, signing a receipt about itself."""
    scene = Scene.default()
    leaf = scene.attestation.leaf_certificate
    signer = Issuer(scene.key.private_key, leaf)
    draft = replace(default_draft(), signer=signer, certificates=(leaf, APPLE.app_attestation_ca.certificate))
    return default_question(draft.seal())


def _repeated_field(draft: ReceiptDraft) -> ReceiptDraft:
    return replace(draft, fields=(*draft.fields, (FIELD_APP_ID, b"ZZZZZ99999.org.example.demo")))


def _changed_content(draft: ReceiptDraft) -> ReceiptDraft:
    return replace(draft, content=draft.encode_fields().replace(b"ATTEST", b"ATTESU"))


def _signed_attributes(info: SignerInfo) -> tuple[SignerInfo, ...]:
    return (replace(info, signed_attributes=explicit(0, sequence(object_identifier("1.2.840.113549.1.9.3")))),)


def _content_in_the_leading_certificate(draft: ReceiptDraft) -> ReceiptDraft:
    """Signed by a stranger whose certificate stands first, while the signer info names the genuine one."""
    stranger = SignerInfo.over(draft.encode_fields(), Issuer(_OTHER_KEY, draft.signer.certificate))
    own = CertificateTemplate(
        serial=1, issuer=name(("CN", "x")), subject=name(("CN", "x")), spki=spki_of(_OTHER_KEY), **_FOREVER
    ).signed_by(_OTHER_KEY)
    return replace(draft, signer_infos=(stranger,), certificates=(own, *draft.certificates))


READING = (
    malformed("many_kilobytes", Reason.EVIDENCE_TOO_LARGE, _raw(lambda raw: raw + bytes(48 * 1024))),
    malformed("empty", Reason.ENCODING_INVALID, _raw(lambda raw: raw[:0])),
    malformed("cut_off", Reason.ENCODING_INVALID, _raw(lambda raw: raw[:-1])),
    malformed("bytes_behind_it", Reason.ENCODING_INVALID, _raw(lambda raw: raw + b"\x05\x00")),
    malformed("indefinite_lengths_without_end", Reason.ENCODING_INVALID, _raw(lambda raw: b"\x30\x80" * 2_000 + raw)),
    malformed(
        "not_signed_data", Reason.STRUCTURE_INVALID, _raw(lambda raw: raw.replace(b"\x01\x07\x02", b"\x01\x07\x03", 1))
    ),
    malformed("two_signers", Reason.ENCODING_INVALID, _infos(lambda info: (info, info))),
    malformed("no_signer", Reason.ENCODING_INVALID, _infos(lambda info: (info,)[:0])),
    malformed(
        "signer_info_of_version_three", Reason.STRUCTURE_INVALID, _infos(lambda info: (replace(info, version=3),))
    ),
    malformed("signed_attributes", Reason.STRUCTURE_INVALID, _infos(_signed_attributes)),
    malformed(
        "digest_that_is_sha1",
        Reason.STRUCTURE_INVALID,
        _infos(lambda info: (replace(info, digest_algorithm=sequence(object_identifier("1.3.14.3.2.26"), NULL)),)),
    ),
    malformed(
        "nine_certificates", Reason.STRUCTURE_INVALID, _draft(lambda d: replace(d, certificates=d.certificates * 3))
    ),
    malformed(
        "certificate_that_is_none",
        Reason.STRUCTURE_INVALID,
        _draft(lambda d: replace(d, certificates=(*d.certificates, sequence()))),
    ),
    malformed("content_that_is_no_set", Reason.STRUCTURE_INVALID, _draft(lambda d: replace(d, content=sequence()))),
    malformed("repeated_field", Reason.STRUCTURE_INVALID, _draft(_repeated_field)),
    malformed("no_app_id", Reason.STRUCTURE_INVALID, _field(FIELD_APP_ID, None)),
    malformed("no_creation_time", Reason.STRUCTURE_INVALID, _field(CREATED_AT, None)),
    malformed("no_key", Reason.STRUCTURE_INVALID, _field(ATTESTED_KEY, None)),
    malformed("creation_time_in_words", Reason.STRUCTURE_INVALID, _field(CREATED_AT, "yesterday")),
    malformed("thirteenth_month", Reason.STRUCTURE_INVALID, _field(CREATED_AT, "2026-13-01T00:00:00Z")),
    malformed("risk_metric_in_words", Reason.STRUCTURE_INVALID, _field(RISK_METRIC, "many")),
    malformed("app_id_that_is_no_text", Reason.ENCODING_INVALID, _field(FIELD_APP_ID, b"\xff\xfe")),
)

SIGNATURE = (
    rejected(
        "content_changed_after_signing",
        Reason.RECEIPT_TYPE,
        lambda: default_question(_changed_content(default_draft()).seal()),
    ),
    rejected(
        "token_changed_after_signing",
        Reason.RECEIPT_SIGNATURE,
        _draft(lambda d: replace(d, content=d.with_field(5, b"A" * 88).encode_fields())),
    ),
    rejected(
        "signed_by_another_key",
        Reason.RECEIPT_SIGNATURE,
        _draft(lambda d: replace(d, signer=Issuer(_OTHER_KEY, SIGNER.certificate))),
    ),
    rejected(
        "signed_by_the_first_certificate_only", Reason.RECEIPT_SIGNATURE, _draft(_content_in_the_leading_certificate)
    ),
    rejected(
        "signed_over_the_envelope",
        Reason.RECEIPT_SIGNATURE,
        _infos(lambda info: (replace(info, signature=SIGNER.key.sign(b"x", ec.ECDSA(hashes.SHA256()))),)),
    ),
    rejected(
        "signature_said_to_be_sha384",
        Reason.RECEIPT_SIGNATURE,
        _infos(lambda info: (replace(info, signature_algorithm=sequence(object_identifier("1.2.840.10045.4.3.3"))),)),
    ),
)

SIGNER_IDENTITY = (
    rejected("signer_of_another_serial", Reason.RECEIPT_SIGNER, _infos(lambda info: (replace(info, serial=7),))),
    rejected(
        "signer_of_another_issuer",
        Reason.RECEIPT_SIGNER,
        _infos(lambda info: (replace(info, issuer=name(("CN", "x"))),)),
    ),
    rejected("signer_left_out", Reason.RECEIPT_SIGNER, _draft(lambda d: replace(d, certificates=d.certificates[1:]))),
    rejected(
        "signer_twice",
        Reason.RECEIPT_SIGNER,
        _draft(lambda d: replace(d, certificates=(SIGNER.certificate, *d.certificates))),
    ),
    rejected(
        "two_issuers_of_one_name",
        Reason.RECEIPT_SIGNER,
        _draft(
            lambda d: replace(d, certificates=(*d.certificates, _receipt_ca(_OTHER_KEY, AUTHORITY.root).certificate))
        ),
    ),
    rejected(
        "signer_without_the_marker", Reason.RECEIPT_SIGNER, with_signer(lambda t: t.without_extension(MARKER_OID))
    ),
    rejected("attested_key_signs_for_itself", Reason.RECEIPT_SIGNER, _attestation_leaf_signs),
    rejected(
        "signer_that_is_a_ca", Reason.CHAIN_CA_FLAG, with_signer(lambda t: t.with_extension(basic_constraints(ca=True)))
    ),
    rejected(
        "signer_not_for_signatures", Reason.CHAIN_KEY_USAGE, with_signer(lambda t: t.with_extension(key_usage(0x08)))
    ),
)

CHAIN = (
    unavailable(
        "no_anchors_at_all", Reason.TRUST_ANCHORS_MISSING, _asked(endorsements=replace(ENDORSEMENTS, apple_receipt=()))
    ),
    rejected(
        "anchors_of_attestations_only",
        Reason.ANCHOR_UNKNOWN,
        _asked(endorsements=replace(ENDORSEMENTS, apple_receipt=ENDORSEMENTS.apple_attestation[:1])),
    ),
    rejected(
        "root_of_another_authority",
        Reason.ANCHOR_UNKNOWN,
        lambda: default_question(
            Scene.default(authority=OTHER_AUTHORITY)
            .phone.receipt_draft(Scene.default().attestation.leaf_certificate, CLIENT_DATA_HASH)
            .seal()
        ),
    ),
    rejected("issuer_left_out", Reason.ANCHOR_UNKNOWN, _draft(lambda d: replace(d, certificates=d.certificates[:1]))),
    rejected("four_cas_below_the_root", Reason.ANCHOR_UNKNOWN, lambda: below_cas(4)),
    rejected(
        "ca_of_another_root",
        Reason.ANCHOR_UNKNOWN,
        _issued_by(_receipt_ca(_OTHER_KEY, OTHER_AUTHORITY.root), OTHER_AUTHORITY.root_certificate),
    ),
    rejected(
        "signer_issued_by_another_key_of_that_name",
        Reason.CHAIN_SIGNATURE,
        _issued_by(Issuer(_OTHER_KEY, APPLE.receipt_ca.certificate)),
    ),
    rejected(
        "ca_that_is_no_ca",
        Reason.CHAIN_CA_FLAG,
        _issued_by(_receipt_ca(_OTHER_KEY, AUTHORITY.root, extensions=(basic_constraints(ca=False), key_usage(0x06)))),
    ),
    rejected(
        "ca_that_may_not_sign_certificates",
        Reason.CHAIN_KEY_USAGE,
        _issued_by(_receipt_ca(_OTHER_KEY, AUTHORITY.root, extensions=(basic_constraints(ca=True), key_usage(0x80)))),
    ),
    rejected(
        "ca_expired_at_creation",
        Reason.CHAIN_EXPIRED,
        _issued_by(_receipt_ca(_OTHER_KEY, AUTHORITY.root, not_after=NOW - 1)),
    ),
    rejected("signer_expired_at_creation", Reason.CHAIN_EXPIRED, with_signer(lambda t: replace(t, not_after=NOW - 1))),
    rejected(
        "signer_not_valid_at_creation",
        Reason.CHAIN_NOT_YET_VALID,
        with_signer(lambda t: replace(t, not_before=NOW + 1)),
    ),
    rejected(
        "signer_with_unknown_critical_extension",
        Reason.CHAIN_CRITICAL_EXTENSION,
        with_signer(lambda t: t.with_extension(Extension("1.2.3.4", NULL, critical=True))),
    ),
)

CONTENT = (
    rejected("other_app", Reason.APP_MISMATCH, _asked(app_ids=("ZZZZZ99999.org.example.demo",))),
    rejected("created_in_the_future", Reason.RECEIPT_FROM_FUTURE, _asked(now=NOW - 61)),
    rejected("older_than_five_minutes", Reason.RECEIPT_TOO_OLD, _asked(now=NOW + 301)),
    rejected(
        "other_attested_key",
        Reason.KEY_MISMATCH,
        lambda: replace(default_question(), attested_public_key=Scene.default("ios-18").key.point),
    ),
    rejected("sandbox_receipt_in_production", Reason.ENVIRONMENT_NOT_ALLOWED, _field(ENVIRONMENT, "sandbox")),
    rejected("unknown_environment", Reason.ENVIRONMENT_NOT_ALLOWED, _field(ENVIRONMENT, "staging")),
    rejected("expired", Reason.RECEIPT_EXPIRED, _field(EXPIRES_AT, timestamp(NOW - 1))),
    rejected("exchanged_receipt_in_an_attestation", Reason.RECEIPT_TYPE, _field(TYPE, "RECEIPT")),
    rejected("type_that_does_not_exist", Reason.RECEIPT_TYPE, _field(TYPE, "REFUND")),
    rejected("other_client_data", Reason.CHALLENGE_MISMATCH, _asked(client_data_hash=bytes(32))),
    malformed("key_that_is_no_certificate", Reason.ENCODING_INVALID, _field(ATTESTED_KEY, b"\x04" + bytes(64))),
)

MUTATIONS: tuple[Mutation, ...] = (*READING, *SIGNATURE, *SIGNER_IDENTITY, *CHAIN, *CONTENT)
