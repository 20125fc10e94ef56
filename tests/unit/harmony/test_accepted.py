"""HarmonyOS evidence that must pass, in every form that genuine devices and services have."""

from __future__ import annotations

import base64
from dataclasses import replace
from hashlib import sha256

import pytest
from attestation.claims import Claims, HarmonyClaims, KeyStorage, Platform
from attestation.errors import AttestationError, Reason
from attestation.evidence import AttestationKind, HarmonyKeyAttestation, IntegrityProfile, parse_evidence
from attestation.harmony import key_attestation as ka
from attestation.reference_values import Environment
from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from devkit.devices.apple.app_attestation import point_of
from devkit.devices.authority.certificate_template import Extension, basic_constraints, spki_of
from devkit.devices.authority.der_writer import bit_string, boolean, integer, object_identifier, sequence, utf8_string
from devkit.devices.harmony import huks_statement as huks
from devkit.devices.harmony.device import RELEASES
from tests.minted_claims import minted_claims
from tests.unit.harmony.verified_claims import claims_of, harmony_of

from .scene import (
    AUTHORITY,
    BUNDLE,
    DIGEST,
    ENHANCED,
    EXPECTED,
    HMS,
    NEXT,
    NOW,
    KeyQuestion,
    TokenQuestion,
    anchor_of,
    chain_draft,
    device_of,
    token_draft,
)


def test_attestation_of_a_sound_device_says_what_it_proves() -> None:
    """Key, app, origin and levels; and that nothing is proved about the boot."""
    device = device_of()
    key = device.generate_key()
    claims = KeyQuestion(chain=device.attest_key(key, DIGEST)).ask()
    assert claims == minted_claims(
        format="harmony-key-attestation",
        platform=Platform.HARMONY,
        app_id=BUNDLE,
        public_key=point_of(key.public_key()),
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        anchor=sha256(anchor_of(AUTHORITY).spki).hexdigest(),
        harmony=HarmonyClaims(
            kind="anonymous",
            bundle_name=BUNDLE,
            app_id=device.app_id,
            app_identifier=device.app_identifier,
            app_mode="release",
            key_origin="generated",
            key_origin_level=3,
            key_manager_level=3,
            key_algorithm="ec-p256",
            model="CLS-SW00",
            claim_levels={"application": 2, "challenge": 0, "key-origin": 3, "model": 2, "key-manager": 3},
            boot_state="not-proved",
        ),
    )


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
@pytest.mark.parametrize("root", [True, False], ids=["root", "no-root"])
def test_chain_passes_in_every_form(release: str, offline: bool, root: bool) -> None:
    """Three certificates online, four offline, with the root sent along or left out."""
    draft = replace(chain_draft(device_of(release), offline=offline), root=root)
    assert len(draft.chain()) == 2 + offline + root
    claims = claims_of(draft)
    assert claims.key_storage is KeyStorage.TEE
    # Offline, the device's own CA issued the leaf.
    assert (ka.ISSUED_ON_DEVICE in claims.findings) is offline


def test_release_that_says_less_leaves_findings() -> None:
    """Absent is not the same as good: policy is told."""
    claims = claims_of(chain_draft(device_of("harmony-5")))
    harmony = harmony_of(claims)
    assert (harmony.key_origin, harmony.app_mode, harmony.app_identifier, harmony.model) == (None, None, None, None)
    assert set(claims.findings) == {ka.ORIGIN_UNKNOWN, ka.APP_MODE_UNKNOWN}


def test_non_anonymous_chain_says_so() -> None:
    """Ten years, no basic constraints; the device's security level; revocation not asked for."""
    claims = claims_of(chain_draft(kind=AttestationKind.NON_ANONYMOUS), AttestationKind.NON_ANONYMOUS)
    assert harmony_of(claims).kind == "non-anonymous"
    assert harmony_of(claims).device_security_level == 2
    assert claims.findings == (ka.REVOCATION_UNCHECKED,)


def test_identifiers_of_the_device_are_not_kept() -> None:
    """That there are some is a finding; what they are goes nowhere."""
    draft = chain_draft().with_claim(huks.Claim(huks.TEE, huks.UDID, utf8_string("THE-UDID-OF-A-DEVICE")))
    claims = claims_of(draft)
    assert ka.DEVICE_IDENTIFIED in claims.findings
    assert "THE-UDID" not in str(claims.to_record())


def test_claims_pass_in_any_order() -> None:
    """Genuine leaves have no fixed order."""
    draft = chain_draft()
    turned = replace(draft, statement=replace(draft.statement, claims=draft.statement.claims[::-1]))
    assert harmony_of(claims_of(turned)).key_origin == "generated"


def test_unknown_claims_are_ignored_even_twice() -> None:
    """Huawei will invent more."""
    unknown = huks.Claim(1, f"{huks.ARC}.2.9.9", sequence(integer(7)))
    draft = chain_draft()
    claims = (unknown, *draft.statement.claims, unknown)
    assert harmony_of(claims_of(replace(draft, statement=replace(draft.statement, claims=claims)))).kind == "anonymous"


def test_unrelated_nonsense_in_the_leaf_is_not_read() -> None:
    """Huawei's own test leaf has a CRL pointer of one zero octet, at which ready-made readers give up."""
    draft = chain_draft()
    leaf = draft.leaf.with_extension(Extension("2.5.29.31", b"\0"))
    assert claims_of(replace(draft, leaf=leaf)).findings == ()


def test_identifier_vouches_for_a_build_with_a_new_signing_key() -> None:
    """``appIdentifier`` outlives the key; registering it lets the key rotate."""
    device = device_of()
    expected = replace(EXPECTED, app_ids=("org.example.demo_OLD",), app_identifiers=(device.app_identifier,))
    assert KeyQuestion(chain=chain_draft(device).chain(), expected=expected).ask().findings == ()


def test_app_that_pins_no_signer_is_told_apart() -> None:
    """Any app can use a bundle name."""
    expected = replace(EXPECTED, app_ids=())
    assert KeyQuestion(chain=chain_draft().chain(), expected=expected).ask().findings == (ka.SIGNER_UNPINNED,)


def test_debug_build_is_a_development_environment() -> None:
    """Its mode is verbatim in the claims; policy judges it."""
    claims = claims_of(chain_draft(device_of(app_mode="debug")))
    assert (claims.environment, harmony_of(claims).app_mode) == (Environment.DEVELOPMENT, "debug")


@pytest.mark.parametrize("level", [0, 1, 2, 4, 255])
def test_key_manager_that_no_tee_vouches_for_is_software(level: int) -> None:
    """Only level 3 is the TEE; a level that is not known here never helps."""
    assert claims_of(chain_draft().with_claim(huks.key_manager(level=level))).key_storage is KeyStorage.SOFTWARE


def der_of(key: object) -> bytes:
    public = key.public_key()  # type: ignore[attr-defined]
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


SM2 = sequence(
    sequence(object_identifier("1.2.840.10045.2.1"), object_identifier("1.2.156.10197.1.301")),
    bit_string(b"\x04" + bytes(range(64))),
)
ML_DSA = sequence(sequence(object_identifier("2.16.840.1.101.3.4.3.17")), bit_string(bytes(1312)))
UNKNOWN = sequence(sequence(object_identifier("1.2.3.4")), bit_string(bytes(32)))


@pytest.mark.parametrize(
    ("algorithm", "spki"),
    [
        ("rsa-2048", der_of(rsa.generate_private_key(65537, 2048))),
        ("ec-p384", der_of(ec.derive_private_key(7, ec.SECP384R1()))),
        ("x25519", der_of(x25519.X25519PrivateKey.from_private_bytes(bytes(31) + b"\x40"))),
        ("ed25519", der_of(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))),
        ("sm2", SM2),
        ("ml-dsa-44", ML_DSA),
        ("unknown", UNKNOWN),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_key_that_cannot_sign_es256_is_described(algorithm: str, spki: bytes) -> None:
    """Genuine HUKS keys of other types verify; claims say what they are, and the record survives."""
    claims = claims_of(device_of().draft(spki, DIGEST))
    assert (harmony_of(claims).key_algorithm, claims.public_key) == (algorithm, spki)
    assert Claims.of_stored_key(claims.to_record()) == claims


def test_known_claims_of_every_kind_are_read() -> None:
    """Purposes, groups and the rest have their own types."""
    draft = chain_draft()
    for claim in (
        huks.Claim(2, huks.KEY_PURPOSE, b"\x04\x04\x0c\x00\x00\x00"),
        huks.Claim(2, f"{huks.ARC}.2.4.1.5", boolean(True)),
        huks.Claim(3, f"{huks.ARC}.2.2.2.7", integer(1)),
        huks.Claim(3, huks.NONCE, utf8_string("A" * 64)),
    ):
        draft = draft.with_claim(claim)
    assert harmony_of(claims_of(draft)).key_purposes == 12


@pytest.mark.parametrize("profile", IntegrityProfile)
def test_verdict_of_a_sound_device_says_what_it_says(profile: IntegrityProfile) -> None:
    """Every profile, under its own algorithm, chain and names."""
    device = device_of(profile=profile)
    integrity = TokenQuestion(token=device.check_integrity(DIGEST), profile=profile).ask()
    assert integrity.profile == profile.value
    assert integrity.basic_integrity is True
    assert integrity.details == ()
    assert integrity.checked_at == NOW
    assert (integrity.bundle_name, integrity.app_id) == (BUNDLE, device.agc_app_id)
    assert integrity.version == (1 if profile is ENHANCED else None)


@pytest.mark.parametrize("profile", IntegrityProfile)
def test_verdict_on_a_bad_device_is_read_verbatim(profile: IntegrityProfile) -> None:
    """False and its details verify: they are true. Policy makes of them what it must."""
    details = ("jailbreak", "a word of tomorrow")
    token = token_draft(profile, basic_integrity=False, details=details).seal()
    integrity = TokenQuestion(token=token, profile=profile).ask()
    assert integrity.basic_integrity is False
    assert integrity.details == details
    assert integrity.advice == ("RESTORE_TO_FACTORY_ROM" if profile is HMS else None)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("profile", [HMS, NEXT])
def test_both_rsa_algorithms_pass(profile: IntegrityProfile, algorithm: str) -> None:
    """HMS Core lets the app choose; of HarmonyOS 5 it is not known."""
    token = replace(token_draft(profile), algorithm=algorithm).seal()
    assert TokenQuestion(token=token, profile=profile).ask().basic_integrity


@pytest.mark.parametrize("profile", IntegrityProfile)
@pytest.mark.parametrize("count", [2, 3])
def test_root_in_x5c_or_not_makes_no_difference(profile: IntegrityProfile, count: int) -> None:
    """A root is trusted for being pinned; sent along, it changes nothing."""
    root = device_of().authority.root_certificate
    draft = token_draft(profile)
    certificates = (*(c for c in draft.certificates if c != root), root)[:count]
    assert TokenQuestion(token=replace(draft, certificates=certificates).seal(), profile=profile).ask()


def test_common_name_counts_where_there_is_no_dns_name() -> None:
    """As HTTP clients of old: what Huawei's sample does."""
    authority = device_of().authority
    leaf = authority.host_signer().template.without_extension("2.5.29.17")
    draft = replace(token_draft(HMS), certificates=authority.integrity_line().chain(leaf))
    assert TokenQuestion(token=draft.seal(), profile=HMS).ask()


def test_signer_of_the_enhanced_profile_may_be_a_ca() -> None:
    """OpenHarmony's certificate of that name is one; the retail signer is unseen. Policy is told."""
    authority = device_of().authority
    signer = authority.enhanced_signer().template
    leaf = signer.with_extension(basic_constraints(ca=True, path_length=0))
    draft = replace(token_draft(ENHANCED), certificates=authority.anonymous_line().chain(leaf))
    assert TokenQuestion(token=draft.seal(), profile=ENHANCED).ask().signer_is_ca
    assert not TokenQuestion(token=token_draft(ENHANCED).seal(), profile=ENHANCED).ask().signer_is_ca


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@pytest.mark.parametrize("nonce", [in_base64(DIGEST), in_base64(in_base64(DIGEST).encode())], ids=["text", "encoded"])
@pytest.mark.parametrize("profile", [NEXT, ENHANCED])
def test_nonce_comes_back_as_text_or_encoded(profile: IntegrityProfile, nonce: str) -> None:
    """Documents disagree on whether the service answers with the app's text or with its base64."""
    token = token_draft(profile).with_payload(nonce=nonce).seal()
    assert TokenQuestion(token=token, profile=profile).ask()


def test_nonce_that_was_issued_as_text_is_compared_as_text() -> None:
    """Case files and other servers issue a text instead of a digest."""
    issued = "dGhlIG5vbmNlIGFzIGlzc3VlZA"
    token = token_draft(NEXT).with_payload(nonce=issued).seal()
    assert TokenQuestion(token=token, profile=NEXT, client_data_hash=issued.encode()).ask()


@pytest.mark.parametrize("spelling", [bytes.hex, lambda digest: digest.hex().upper(), in_base64])
def test_signer_of_a_hap_is_read_in_any_spelling(spelling: object) -> None:
    """No document says how ``hapCertificateSha256`` is written."""
    digest = sha256(b"ours").digest()
    token = token_draft(NEXT).with_payload(hapCertificateSha256=spelling(digest)).seal()  # type: ignore[operator]
    expected = replace(EXPECTED, signing_digests=frozenset({digest}))
    assert TokenQuestion(token=token, profile=NEXT, expected=expected).ask().signing_digests == (digest.hex(),)


@pytest.mark.parametrize("seconds", [-60, 0, 300])
def test_verdict_passes_while_its_challenge_lives(seconds: float) -> None:
    """Five minutes, and a minute for clocks that differ."""
    assert TokenQuestion(token=token_draft(HMS).seal(), profile=HMS, now=NOW + seconds).ask()


def test_deeply_nested_payload_is_one_of_our_errors() -> None:
    """How deep a JSON reader goes depends on the Python; what escapes does not."""
    draft = replace(token_draft(NEXT), payload_json=b'{"a":' * 4000 + b"1" + b"}" * 4000)
    with pytest.raises(AttestationError) as refusal:
        TokenQuestion(token=draft.seal(), profile=NEXT).ask()
    assert refusal.value.reason in (Reason.ENCODING_INVALID, Reason.STRUCTURE_INVALID, Reason.EVIDENCE_TOO_LARGE)


def test_evidence_of_the_api_is_what_verifiers_take() -> None:
    """The wire form of both formats; a chain without a kind is anonymous."""
    chain = chain_draft().chain()
    item = {"format": "harmony-key-attestation", "certificate_chain": [b64url_encode(c) for c in chain]}
    assert parse_evidence(item) == HarmonyKeyAttestation(chain, AttestationKind.ANONYMOUS)
    named = parse_evidence({**item, "kind": "non-anonymous"})
    assert named == HarmonyKeyAttestation(chain, AttestationKind.NON_ANONYMOUS)


@pytest.mark.parametrize(
    "item",
    [
        {"format": "harmony-key-attestation", "certificate_chain": ["AA"], "kind": "Anonymous"},
        {"format": "harmony-device-integrity", "profile": "local", "integrity_token": "e30.e30.AA"},
    ],
    ids=["kind", "profile"],
)
def test_kind_or_profile_that_is_unknown_is_refused(item: dict[str, object]) -> None:
    """The unsigned local check, among others, is no evidence."""
    with pytest.raises(AttestationError) as refusal:
        parse_evidence(item)
    assert refusal.value.reason is Reason.FORMAT_UNKNOWN


def test_spki_of_the_device_is_what_the_claims_hold() -> None:
    """The key id follows from the point, as on every platform."""
    device = device_of()
    key = device.generate_key()
    claims = KeyQuestion(chain=device.attest_key(key, DIGEST)).ask()
    assert claims.key_id == b64url_encode(sha256(spki_of(key)[26:]).digest())
