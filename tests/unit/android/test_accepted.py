"""What must pass: every schema version, every deviation of genuine devices, and what the claims say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.android.key_attestation import verify_key_attestation
from attestation.android.key_description import BER_TRUE, UNSORTED_SET, UNSORTED_TAGS
from attestation.claims import Claims, KeyStorage, Platform
from attestation.encoding.certificate import read_certificate
from attestation.encoding.chain import LinkCache
from attestation.endorsements import Endorsements, TrustAnchor
from attestation.errors import Reason, RejectedEvidence
from attestation.evidence import AndroidKeyAttestation
from attestation.reference_values import Environment
from attestation.verify import verify
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES, Quirk
from devkit.devices.apple.app_attestation import point_of
from devkit.devices.authority.android import DAY, AndroidAuthority
from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
)
from devkit.devices.authority.der_writer import integer, object_identifier, sequence, tlv
from tests.minted_claims import changed_claims
from tests.unit.apple_mutations.scene import Drawn

from .scene import (
    AUTHORITY,
    CLIENT_DATA_HASH,
    ENDORSEMENTS,
    NOW,
    PACKAGE,
    REFERENCE_VALUES,
    SIGNER,
    Question,
    Scene,
    claims_of,
    endorsements_of,
    with_draft,
)


@pytest.mark.parametrize("release", RELEASES)
def test_attestation_of_every_release_is_verified(release: str) -> None:
    """Schema 1 to 500, factory and RKP, TEE and StrongBox: the claims say what the device is."""
    scene, device = Scene.default(release), RELEASES[release]
    claims = claims_of(scene)
    assert claims.platform is Platform.ANDROID
    assert claims.app_id == PACKAGE
    assert claims.public_key == point_of(scene.key.public_key())
    assert claims.key_storage is (KeyStorage.STRONGBOX if device.environment == "StrongBox" else KeyStorage.TEE)
    assert claims.environment is Environment.PRODUCTION
    assert claims.os_version == device.os.split()[1].removesuffix(".0")
    assert claims.counter is None
    android = claims.android
    assert android is not None
    assert (android.attestation_version, android.keymint_version) == (device.schema, device.keymint)
    assert android.provisioning == device.provisioning
    assert (android.verified_boot_state, android.device_locked) == ("verified", True)
    assert android.packages == (PACKAGE,)
    assert android.package_version == 42
    assert android.signing_digests == (SIGNER.hex(),)
    assert android.key_algorithm == "ec-p256"
    assert android.purposes == (2, 3)


_SAID = {
    Quirk.BATCH_NOT_CA: "batch-certificate-not-ca",
    Quirk.NULL_PARAMETERS: "ecdsa-null-parameters",
    Quirk.BER_TRUE: BER_TRUE,
    Quirk.UNSORTED_SETS: UNSORTED_SET,
    Quirk.UNSORTED_TAGS: UNSORTED_TAGS,
    Quirk.BAD_CRL_POINTER: "crl-pointer-unreadable",
    Quirk.SHORT_LEAF_ISSUER: "leaf-issuer-name-differs",
    Quirk.CREATED_IN_MICROSECONDS: "creation-time-implausible",
    Quirk.CLOCK_UNSET: "creation-time-implausible",
    Quirk.ODD_LEAF_DATES: "leaf-outside-its-dates",
    Quirk.TRAILING_OCTETS: "octets-behind-certificate",
}
_SILENT = (
    Quirk.UNNAMED_BATCH,
    Quirk.NO_SIZE,
    Quirk.CREATED_IN_HARDWARE,
    Quirk.EARLY_GENERALIZED_TIME,
    Quirk.ROOT_OMITTED,
    Quirk.SHORT_PATCH_LEVELS,
    Quirk.EMPTY_BOOT_KEY,
    Quirk.UNKNOWN_TAG,
    Quirk.VENDOR_EXTENSION,
)


def _quirky(quirk: Quirk) -> Claims:
    device = replace(RELEASES["pixel-5"], quirks=frozenset({quirk}))
    return claims_of(Scene.default(device))


@pytest.mark.parametrize("quirk", _SAID)
def test_deviation_is_accepted_and_said(quirk: Quirk) -> None:
    """Each deviation of genuine devices passes by itself, and leaves a finding that a policy can use."""
    assert _quirky(quirk).findings == (_SAID[quirk],)


@pytest.mark.parametrize("quirk", _SILENT)
def test_freedom_of_the_format_is_accepted_without_a_finding(quirk: Quirk) -> None:
    """Optional parts that are missing, or more than we know, are no deviation."""
    assert _quirky(quirk).findings == ()


def test_every_quirk_is_covered() -> None:
    """A quirk that no test names might be refused unnoticed."""
    assert {*_SAID, *_SILENT} == set(Quirk)


def _rsa_rooted() -> tuple[AndroidAuthority, Endorsements]:
    """An authority below an RSA root, as most factory chains have."""
    key = rsa.generate_private_key(65537, 2048)
    subject = name(("serialNumber", "f92009e853b6b0aa"))
    root = CertificateTemplate(
        serial=7,
        issuer=subject,
        subject=subject,
        not_before=NOW - 9999 * DAY,
        not_after=NOW - 9000 * DAY,  # ended long ago: an in-chain root's dates do not count
        spki=spki_of(key),
        digest="sha256",
        extensions=(basic_constraints(ca=True), key_usage(4)),
    ).signed_by(key)
    anchors = (TrustAnchor.of(read_certificate(root)),)
    return AndroidAuthority(key, subject, root), replace(ENDORSEMENTS, android_attestation=anchors)


def test_chain_under_an_expired_rsa_root_with_an_rsa_batch_is_verified() -> None:
    """One root key was certified four times; the first certificate ended in May 2026, the key did not."""
    authority, endorsements = _rsa_rooted()
    line = authority.factory_line(batch_key=rsa.generate_private_key(65537, 2048))
    scene = Scene.default("pixel-5", authority=authority, line=line)
    assert claims_of(scene, endorsements=endorsements).chain_profile == "strict"


def test_in_chain_root_counts_by_its_key_alone() -> None:
    """Another certificate of the pinned key, by another name, with another signature, is the same anchor."""
    draft = Scene.default().draft
    copy = CertificateTemplate(
        serial=99,
        issuer=name(("CN", "Anything")),
        subject=name(("CN", "Anything")),
        not_before=NOW + DAY,
        not_after=NOW + 2 * DAY,
        spki=spki_of(AUTHORITY.root.key),
    ).signed_by(new_private_key(ec.SECP256R1(), Drawn("anybody")))
    assert Question.of(replace(draft, root=copy).chain()).ask().chain_profile == "strict"


def test_factory_chain_past_its_end_is_verified_under_the_factory_profile() -> None:
    """Batch keys cannot be replaced, so their certificates outlive their dates; the claims say so."""
    scene = Scene.default("pixel-5")
    endorsements = replace(ENDORSEMENTS, android_status_max_age=float("inf"))
    late = Question.of(scene.draft.chain(), now=1_900_000_000.0, endorsements=endorsements).ask()
    assert late.chain_profile == "factory"
    assert late.findings == ("factory-certificate-expired",)


def test_factory_chain_without_deviation_is_strict() -> None:
    """Three quarters of them obey RFC 5280 above the leaf."""
    claims = claims_of(Scene.default("pixel-5"))
    assert (claims.chain_profile, claims.findings) == ("strict", ())


def test_leaf_signed_with_sha384_by_a_p256_key_is_verified() -> None:
    """Hash and curve need not match (Galaxy S9, and Google's own intermediates)."""
    ask = with_draft(lambda draft: replace(draft, leaf=replace(draft.leaf, digest="sha384")))
    assert ask().ask().app_id == PACKAGE


def _ml_dsa_spki() -> bytes:
    return sequence(sequence(object_identifier("2.16.840.1.101.3.4.3.18")), tlv(0x03, b"\0" + bytes(range(256)) * 7))


def test_ml_dsa_key_is_described_without_being_loaded() -> None:
    """A leaf key of a type that nothing here can use must not sink the attestation; it just cannot renew."""
    scene = Scene.default("pixel-10")
    draft = scene.phone.draft(_ml_dsa_spki(), CLIENT_DATA_HASH)
    hardware = {2: integer(kd.ML_DSA), 3: None, 10: None, 11: integer(1)}
    claims = Question.of(replace(draft, description=draft.description.with_hardware(hardware)).chain()).ask()
    assert claims.public_key == _ml_dsa_spki()
    assert claims.android is not None
    assert claims.android.key_algorithm == "ml-dsa-65"


@pytest.mark.parametrize(
    ("spki", "algorithm", "expected"),
    [
        (spki_of(rsa.generate_private_key(65537, 2048)), {2: kd.RSA, 3: 2048, 10: None}, "rsa-2048"),
        (spki_of(new_private_key(ec.SECP384R1(), Drawn("p384"))), {2: kd.EC, 3: 384, 10: 2}, "ec-p384"),
        (spki_of(new_private_key(ec.SECP256K1(), Drawn("k1"))), {2: kd.EC, 3: None, 10: None}, "ec-unknown"),
        (
            sequence(sequence(object_identifier("1.3.101.112")), tlv(3, bytes(33))),
            {2: kd.EC, 3: None, 10: 4},
            "ed25519",
        ),
        (sequence(sequence(object_identifier("1.2.3.4")), tlv(3, bytes(9))), {2: 77, 3: None, 10: None}, "unknown"),
    ],
)
def test_key_of_any_type_is_described(spki: bytes, algorithm: dict[int, int | None], expected: str) -> None:
    """Only P-256 keys are used later; every other one is named for policy."""
    draft = Scene.default().phone.draft(spki, CLIENT_DATA_HASH)
    hardware = {tag: None if value is None else integer(value) for tag, value in algorithm.items()}
    claims = Question.of(replace(draft, description=draft.description.with_hardware(hardware)).chain()).ask()
    assert claims.android is not None
    assert (claims.android.key_algorithm, claims.public_key) == (expected, spki)


def test_shared_user_id_with_one_of_our_packages_is_ours() -> None:
    """Apps that share a user id are attested together: one match, and every signer ours."""
    packages = [("org.example.other", 7), (PACKAGE, 42)]
    ask = with_draft(
        lambda draft: replace(
            draft, description=draft.description.with_software({709: kd.application_id(packages, [SIGNER])})
        )
    )
    claims = ask().ask()
    assert claims.app_id == PACKAGE
    assert claims.android is not None
    assert claims.android.packages == ("org.example.other", PACKAGE)


def test_one_of_several_listed_signers_is_enough() -> None:
    """A rotated signing key, or another store's, is one more digest of the same app."""
    question = Question.of(Scene.default().draft.chain())
    assert question.expecting(signing_digests=frozenset({bytes(32), SIGNER})).ask().app_id == PACKAGE


def test_application_without_signers_verifies_unproved_when_none_is_expected() -> None:
    """Keys of the system itself name no signer: studied, never accepted (the strict policy refuses the finding)."""
    ask = with_draft(
        lambda draft: replace(
            draft, description=draft.description.with_software({709: kd.application_id([(PACKAGE, 1)], [])})
        )
    )
    assert ask().expecting(signing_digests=frozenset()).ask().findings == ("application-signer-unproved",)


def test_application_id_may_stand_in_the_hardware_list() -> None:
    """The schema allows it in either."""
    application = kd.application_id([(PACKAGE, 1)], [SIGNER])
    ask = with_draft(
        lambda draft: replace(
            draft,
            description=draft.description.with_software({709: None}).with_hardware({709: application}),
        )
    )
    assert ask().ask().app_id == PACKAGE


def test_leaf_of_serial_one_is_not_looked_up() -> None:
    """Nearly every leaf has serial 1, and Google's own example of the list has an entry 1."""
    assert claims_of(Scene.default(), endorsements=endorsements_of(AUTHORITY, **{"1": "REVOKED"})).app_id == PACKAGE


def test_verified_links_are_remembered_and_dates_are_not() -> None:
    """Signatures of issuers are checked once; what can change is checked every time."""
    links = LinkCache()
    evidence = AndroidKeyAttestation(Scene.default().draft.chain())
    expected = REFERENCE_VALUES.android
    assert expected is not None

    def ask(now: float) -> Claims:
        return verify_key_attestation(
            evidence,
            client_data_hash=CLIENT_DATA_HASH,
            reference_values=expected,
            endorsements=replace(ENDORSEMENTS, android_status_max_age=float("inf")),
            now=now,
            links=links,
        )

    assert ask(NOW) == ask(NOW)
    assert len(links) == 3
    with pytest.raises(RejectedEvidence) as refusal:
        ask(NOW + 90 * DAY)
    assert refusal.value.reason is Reason.CHAIN_EXPIRED


def test_same_arguments_give_the_same_claims() -> None:
    """Verification is a pure function."""
    evidence = AndroidKeyAttestation(Scene.default().draft.chain())
    answers = [
        verify(
            evidence,
            client_data_hash=CLIENT_DATA_HASH,
            reference_values=REFERENCE_VALUES,
            endorsements=ENDORSEMENTS,
            now=NOW,
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_octets_behind_a_certificate_change_nothing_but_the_finding() -> None:
    """They are no part of what was signed."""
    plain = claims_of(Scene.default("pixel-5"))
    device = replace(RELEASES["pixel-5"], quirks=RELEASES["pixel-5"].quirks | {Quirk.TRAILING_OCTETS})
    assert changed_claims(claims_of(Scene.default(device)), findings=()) == changed_claims(plain, findings=())
