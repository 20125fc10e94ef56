"""What must pass: every Apple release, both environments, and the freedom that genuine evidence takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.apple.attestation import APP_ID_DIFFERS
from attestation.apple.authenticator_data import CATEGORY_UNREAD, DATA_UNREAD
from attestation.apple.receipt import ReceiptType, verify_receipt
from attestation.attested_key import AttestedKey
from attestation.claims import KeyStorage, Platform
from attestation.encoding.certificate import BASIC_CONSTRAINTS
from attestation.evidence import AppleAssertion, AppleAttestation, AppleReceipt
from attestation.reference_values import AppleReferenceValues, Environment

from devkit.devices.apple.app_attestation import (
    EXTENDED_KEY_USAGE_OID,
    KEY_PROPERTIES_OID,
    AttestationDraft,
    encode_map,
)
from devkit.devices.apple.generations import GENERATIONS, MAC_REDUCED_SECURITY_ACCESS_CONTROL, encode_properties
from devkit.devices.apple.iphone import CATEGORY_TESTFLIGHT
from devkit.devices.apple.receipt import ReceiptForm
from devkit.devices.authority.certificate_template import Extension
from devkit.devices.authority.der_writer import object_identifier, sequence

from .receipt_mutations import below_cas, with_signer
from .scene import APP_ID, AUTHORITY, CLIENT_DATA_HASH, ENDORSEMENTS, NOW, Question, Scene


def _question(draft: AttestationDraft) -> Question:
    return Question(evidence=AppleAttestation(draft.seal()))


@pytest.mark.parametrize("generation", GENERATIONS)
def test_attestation_of_every_generation_is_verified(generation: str) -> None:
    """iOS 14 to 27, iPadOS and macOS 27: the claims say what the device is."""
    scene = Scene.default(generation)
    evidence = AppleAttestation(scene.attestation.seal(), scene.key.identifier)
    claims = Question(evidence=evidence).ask()
    release = GENERATIONS[generation]
    assert claims.app_id == APP_ID
    assert claims.public_key == scene.key.point
    assert claims.os_version == release.os.split()[1]
    assert claims.platform is (Platform.MACOS if release.os.startswith("macOS") else Platform.IOS)
    assert claims.key_storage is KeyStorage.SECURE_ENCLAVE
    assert claims.environment is Environment.PRODUCTION
    assert (claims.counter, claims.findings) == (0, ())
    assert claims.apple is not None
    assert claims.apple.validation_category == (4 if release.extension_map else None)
    assert claims.apple.bundle_version == ("1" if release.extension_map else None)
    assert claims.apple.full_security is (True if generation == "macos-27" else None)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_assertion_of_every_generation_is_verified(generation: str) -> None:
    """The key that attested renews, and the counter it used comes back."""
    scene = Scene.default(generation)
    stored = AttestedKey(public_key=scene.key.point, counter=0, apple_app_id=APP_ID)
    claims = Question(evidence=AppleAssertion(scene.assertion.seal()), attested_key=stored).ask()
    assert claims.counter == 1


@pytest.mark.parametrize("form", list(ReceiptForm))
@pytest.mark.parametrize("exchanged", [False, True])
def test_receipt_of_both_types_and_forms_is_verified(form: ReceiptForm, exchanged: bool) -> None:
    """ATTEST and RECEIPT, indefinite and definite."""
    scene = Scene.default()
    draft = scene.phone.receipt_draft(scene.attestation.leaf_certificate, CLIENT_DATA_HASH, form=form)
    if exchanged:
        draft = scene.phone.exchange_receipt(draft, risk_metric=4)
    receipt = verify_receipt(
        AppleReceipt(draft.seal()),
        attested_public_key=scene.key.point,
        reference_values=AppleReferenceValues(app_ids=(APP_ID,)),
        endorsements=ENDORSEMENTS,
        now=NOW,
        max_age=300,
        client_data_hash=CLIENT_DATA_HASH,
        expected_type=ReceiptType.RECEIPT if exchanged else ReceiptType.ATTEST,
    )
    assert receipt.risk_metric == (4 if exchanged else None)
    assert receipt.creation_time == NOW


def test_development_build_is_verified_where_it_may_enrol() -> None:
    """The development AAGUID passes when the app's reference values say so."""
    question = _question(Scene.default(development=True).attestation)
    claims = question.expecting(environments=frozenset({Environment.DEVELOPMENT})).ask()
    assert claims.environment is Environment.DEVELOPMENT


def test_testflight_build_is_production_of_category_two() -> None:
    """TestFlight builds use the production environment; the category tells them apart."""
    claims = _question(Scene.default(category=CATEGORY_TESTFLIGHT).attestation).ask()
    assert claims.environment is Environment.PRODUCTION
    assert claims.apple is not None
    assert claims.apple.validation_category == 2


def test_any_of_several_app_ids_is_verified_and_named() -> None:
    """An app with several ids (another team, an App Clip): the claims say which one it was."""
    ids = ("ZZZZZ99999.org.example.demo", "ABCDE12345.org.example.demo.Clip", APP_ID)
    assert _question(Scene.default().attestation).expecting(app_ids=ids).ask().app_id == APP_ID


def test_mac_with_reduced_security_is_verified_and_said_so() -> None:
    """Not a lie, so no refusal here: policy decides about it."""
    release = replace(GENERATIONS["macos-27"], access_control=MAC_REDUCED_SECURITY_ACCESS_CONTROL)
    claims = _question(Scene.default(release).attestation).ask()
    assert claims.apple is not None
    assert claims.apple.full_security is False


def test_chain_that_includes_the_root_is_verified() -> None:
    """A sender may add the anchor's own certificate."""
    draft = Scene.default().attestation
    _question(replace(draft, issuers=(*draft.issuers, AUTHORITY.root_certificate))).ask()


@pytest.mark.parametrize("purpose", [None, "2.5.29.37.0", "1.3.6.1.5.5.7.3.2", "1.2.840.113635.100.4.24"])
def test_extended_key_usage_of_the_leaf_plays_no_part(purpose: str | None) -> None:
    """Absent until 2026, Apple's own since; verifiers that looked at it refused genuine phones."""
    draft = Scene.default().attestation
    leaf = draft.leaf.without_extension(EXTENDED_KEY_USAGE_OID)
    if purpose is not None:
        leaf = leaf.with_extension(Extension(EXTENDED_KEY_USAGE_OID, sequence(object_identifier(purpose))))
    _question(replace(draft, leaf=leaf)).ask()


def test_unreadable_undocumented_extensions_do_not_sink_an_attestation() -> None:
    """8.5, 8.6 and 8.7 are Apple's to change: what cannot be read counts as absent."""
    draft = Scene.default().attestation
    leaf = draft.leaf
    for oid in ("1.2.840.113635.100.8.5", "1.2.840.113635.100.8.6", "1.2.840.113635.100.8.7"):
        leaf = leaf.with_extension(Extension(oid, b"\x00"))
    assert _question(replace(draft, leaf=leaf)).ask().os_version is None


def test_receipt_is_outside_the_signed_bytes() -> None:
    """Declared: the receipt is unverified until verified, so changing it does not change the verdict."""
    draft = Scene.default().attestation
    assert _question(replace(draft, receipt=b"not a receipt")).ask().receipt == b"not a receipt"


def test_client_data_hash_is_taken_verbatim() -> None:
    """Apple's own samples pass a raw challenge instead of a hash: any length is legal."""
    scene = Scene.default()
    raw = scene.phone.attestation_draft(scene.key_id, b"a raw challenge")
    replace(_question(raw), client_data_hash=b"a raw challenge").ask()


@pytest.mark.parametrize("at", [0, 3 * 86_400])
def test_leaf_is_valid_to_the_second_at_both_ends(at: float) -> None:
    """RFC 5280 §4.1.2.5: both ends of the validity period are inclusive."""
    draft = Scene.default().attestation
    replace(_question(draft), now=draft.leaf.not_before + at).ask()


def test_counter_is_unsigned() -> None:
    """A counter over 2³¹ is large, not negative."""
    scene = Scene.default()
    draft = replace(scene.assertion, counter=0xFFFF_FFFF)
    stored = AttestedKey(public_key=scene.key.point, counter=0x8000_0000, apple_app_id=APP_ID)
    assert Question(evidence=AppleAssertion(draft.seal()), attested_key=stored).ask().counter == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("extensions", "findings"),
    [
        ({"apple_validation_category_01": "4"}, (CATEGORY_UNREAD,)),
        ({"apple_bundle_version_01": 1}, (DATA_UNREAD,)),
        ({"apple_validation_category_01": 4, "apple_bundle_version_01": "1"}, ()),
    ],
)
def test_assertion_says_what_in_it_could_not_be_read(
    extensions: dict[object, object], findings: tuple[str, ...]
) -> None:
    """The same findings as an attestation's, with the other facts of iOS."""
    scene = Scene.default()
    stored = AttestedKey(public_key=scene.key.point, counter=0, apple_app_id=APP_ID)
    draft = replace(scene.assertion, tail=encode_map(extensions))
    claims = Question(evidence=AppleAssertion(draft.seal()), attested_key=stored).ask()
    assert claims.findings == findings
    assert (claims.platform, claims.key_storage) == (Platform.IOS, KeyStorage.SECURE_ENCLAVE)


def test_gaps_in_the_counter_are_normal() -> None:
    """Requests get lost: the counter must grow, not count."""
    scene = Scene.default()
    stored = AttestedKey(public_key=scene.key.point, counter=7, apple_app_id=APP_ID)
    Question(evidence=AppleAssertion(replace(scene.assertion, counter=90).seal()), attested_key=stored).ask()


def test_receipt_certificates_may_come_in_any_order() -> None:
    """CMS certificates are a set; the signer is found by issuer and serial number."""
    scene = Scene.default()
    draft = scene.phone.receipt_draft(scene.attestation.leaf_certificate, CLIENT_DATA_HASH)
    for certificates in (draft.certificates[::-1], draft.certificates[:2], draft.certificates[1::-1]):
        receipt = AppleReceipt(replace(draft, certificates=certificates).seal())
        verify_receipt(
            receipt,
            attested_public_key=scene.key.point,
            reference_values=AppleReferenceValues(app_ids=(APP_ID,)),
            endorsements=ENDORSEMENTS,
            now=NOW,
        )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_receipt_below_up_to_three_cas_is_verified(count: int) -> None:
    """Apple has one; a bound stands above."""
    assert below_cas(count).ask().app_id == APP_ID


def test_receipt_signer_may_say_nothing_of_being_a_ca() -> None:
    """RFC 5280 §4.2.1.9 lets an end entity leave its basic constraints out: that is no CA."""
    question = with_signer(lambda template: template.without_extension(BASIC_CONSTRAINTS))()
    assert question.ask().app_id == APP_ID


def test_stored_receipt_is_verified_after_its_signer_has_expired() -> None:
    """The chain is judged at the receipt's creation, so a receipt outlives its signer's certificate."""
    scene = Scene.default(clock=lambda: 1_798_700_000.0)  # 2026-12-31: the signer ends with the year
    draft = scene.phone.receipt_draft(scene.attestation.leaf_certificate, CLIENT_DATA_HASH)
    verify_receipt(
        AppleReceipt(draft.seal()),
        attested_public_key=scene.key.point,
        reference_values=AppleReferenceValues(app_ids=(APP_ID,)),
        endorsements=ENDORSEMENTS,
        now=1_798_700_000.0 + 60 * 86_400,
    )


@pytest.mark.parametrize(
    ("named", "found"),
    [(APP_ID, False), ("ZZZZZ99999.org.example.demo", True), (APP_ID.lower(), True), (APP_ID + ".Clip", True)],
)
def test_app_id_in_clear_that_differs_is_a_finding(named: str, found: bool) -> None:
    """The hash decides; a certificate that names another app in clear is remarkable, as after a transfer of an app."""
    draft = Scene.default().attestation
    properties = encode_properties(GENERATIONS["ios-27"].key_properties, named)
    leaf = draft.leaf.with_extension(Extension(KEY_PROPERTIES_OID, properties))
    claims = _question(replace(draft, leaf=leaf)).ask()
    assert claims.app_id == APP_ID
    assert claims.findings == ((APP_ID_DIFFERS,) if found else ())


def test_certificate_that_names_no_app_has_no_finding() -> None:
    """The extension is undocumented: absent is no objection."""
    draft = Scene.default().attestation
    assert _question(replace(draft, leaf=draft.leaf.without_extension(KEY_PROPERTIES_OID))).ask().findings == ()


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ({Environment.PRODUCTION}, Environment.PRODUCTION),
        ({Environment.DEVELOPMENT}, Environment.DEVELOPMENT),
        ({Environment.PRODUCTION, Environment.DEVELOPMENT}, Environment.DEVELOPMENT),
    ],
    ids=["production", "development", "both"],
)
def test_assertion_alone_is_of_the_weakest_environment(environments: set[Environment], expected: Environment) -> None:
    """An assertion does not say where its key enrolled, and what is not known must not help."""
    scene = Scene.default()
    stored = AttestedKey(public_key=scene.key.point, counter=0, apple_app_id=APP_ID)
    question = Question(evidence=AppleAssertion(scene.assertion.seal()), attested_key=stored)
    assert question.expecting(environments=frozenset(environments)).ask().environment is expected
