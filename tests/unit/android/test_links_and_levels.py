"""Android chains link by link, and what chain and statement say of provisioning and security levels together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.android.device_chain import CRL_POINTER, TRAILING_OCTETS, Provisioning
from attestation.android.key_attestation import CREATION_TIME
from attestation.android.key_description import BER_TRUE
from attestation.claims import Claims, KeyStorage
from attestation.errors import AttestationError, Reason

from devkit.devices.android import key_description as kd
from devkit.devices.android.device import ChainDraft
from devkit.devices.authority.certificate_template import Extension, SigningCertificate, basic_constraints, name
from devkit.devices.authority.der_writer import NULL, integer, sequence

from .scene import FORGED_KEY, NOW, Question, Scene, with_hardware, with_software

FACTORY, RKP = "pixel-5", "galaxy-s24"
PLACES = [(FACTORY, index) for index in range(3)] + [(RKP, index) for index in range(4)]


def refusal(chain: tuple[bytes, ...]) -> Reason:
    with pytest.raises(AttestationError) as error:
        Question.of(chain).ask()
    return error.value.reason


def line_of(draft: ChainDraft) -> list[SigningCertificate]:
    return [draft.line.batch, *draft.line.above]


def with_line(draft: ChainDraft, certificates: list[SigningCertificate]) -> ChainDraft:
    return replace(draft, line=replace(draft.line, batch=certificates[0], above=tuple(certificates[1:])))


def forged(draft: ChainDraft, index: int) -> tuple[bytes, ...]:
    """The chain with one certificate signed by a key in the attacker's hands."""
    chain = list(draft.chain())
    template = draft.described_leaf if index == 0 else line_of(draft)[index - 1].template
    chain[index] = template.signed_by(FORGED_KEY)
    return tuple(chain)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(("release", "index"), PLACES, ids=str)
def test_forged_link_at_every_place_is_refused(release: str, index: int, warm: bool) -> None:
    """Each certificate by the next one's key, also where the others were seen before; and the operator reads which."""
    draft = Scene.default(release).draft
    if warm:
        Question.of(draft.chain()).ask()
    top = index == len(draft.chain()) - 2
    with pytest.raises(AttestationError) as error:
        Question.of(forged(draft, index)).ask()
    assert error.value.reason is (Reason.ANCHOR_UNKNOWN if top else Reason.CHAIN_SIGNATURE)
    assert error.value.__notes__[0] == f"certificate {index}"


@pytest.mark.parametrize(("release", "index"), [place for place in PLACES if place[1]], ids=str)
def test_critical_extension_in_an_issuer_is_refused(release: str, index: int) -> None:
    """An extension that is not understood may limit what the certificate issues."""
    draft = Scene.default(release).draft
    certificates = line_of(draft)
    held = certificates[index - 1]
    unknown = Extension("1.3.6.1.4.1.99999.1", NULL, critical=True)
    certificates[index - 1] = SigningCertificate(held.key, held.template.with_extension(unknown))
    assert refusal(with_line(draft, certificates).chain()) is Reason.CHAIN_CRITICAL_EXTENSION


def claims_below(common_name: str, organisation: str | None) -> Claims:
    """What a chain proves whose top certificate the root issued to that name."""
    draft = Scene.default(RKP).draft
    batch, ca3, ca2 = line_of(draft)
    parts = [("CN", common_name), *([] if organisation is None else [("O", organisation)])]
    subject = name(*parts)
    certificates = [
        batch,
        SigningCertificate(ca3.key, replace(ca3.template, issuer=subject)),
        SigningCertificate(ca2.key, replace(ca2.template, subject=subject)),
    ]
    return Question.of(with_line(draft, certificates).chain()).ask()


def provisioning_below(common_name: str, organisation: str | None) -> str:
    android = claims_below(common_name, organisation).android
    assert android is not None
    return android.provisioning


def test_provisioning_ca_is_googles_by_both_names() -> None:
    """The root's signature vouches for the name, and the name for how the batch came onto the device."""
    assert provisioning_below("Droid CA2", "Google LLC") == Provisioning.RKP
    assert provisioning_below("Droid CA117", "Google LLC") == Provisioning.RKP


@pytest.mark.parametrize(
    ("common_name", "organisation"),
    [
        ("Droid CA2", "Google Inc"),
        ("Droid CA2", "google llc"),
        ("Droid CA2", None),
        ("Droid CA", "Google LLC"),
        ("Droid CA2 of another", "Google LLC"),
        ("A Droid CA2", "Google LLC"),
        ("Droid CA1234", "Google LLC"),
    ],
)
def test_provisioning_ca_of_another_name_is_none(common_name: str, organisation: str | None) -> None:
    """A vendor's CA under Google's root is not Google's provisioning; policy is told."""
    assert provisioning_below(common_name, organisation) == Provisioning.UNKNOWN


LEVELS = (kd.SOFTWARE, kd.TRUSTED_ENVIRONMENT, kd.STRONGBOX)


@pytest.mark.parametrize("keymint", LEVELS)
@pytest.mark.parametrize("attestation", LEVELS)
@pytest.mark.parametrize("release", ["pixel-5", "pixel-3-strongbox"])
def test_lower_level_says_where_the_key_is(release: str, attestation: int, keymint: int) -> None:
    """A TEE that attests for a StrongBox, software for a TEE: the weaker side could have lied."""
    draft = Scene.default(release).draft
    described = replace(draft.description, attestation_level=attestation, keymint_level=keymint)
    claims = Question.of(replace(draft, description=described).chain()).ask()
    storage = {
        kd.SOFTWARE: KeyStorage.SOFTWARE,
        kd.TRUSTED_ENVIRONMENT: KeyStorage.TEE,
        kd.STRONGBOX: KeyStorage.STRONGBOX if release == "pixel-3-strongbox" else KeyStorage.TEE,
    }
    assert claims.key_storage is storage[min(attestation, keymint)]
    assert claims.android is not None
    assert (claims.android.security_level, claims.android.key_security_level) == (attestation, keymint)


@pytest.mark.parametrize(("release", "index"), [place for place in PLACES if place[1]], ids=str)
def test_issuer_that_names_another_issuer_is_refused(release: str, index: int) -> None:
    """Signed by the next one's key, and in another's name: at every place above the leaf."""
    draft = Scene.default(release).draft
    certificates = line_of(draft)
    held = certificates[index - 1]
    certificates[index - 1] = SigningCertificate(held.key, replace(held.template, issuer=name(("CN", "Somebody"))))
    assert refusal(with_line(draft, certificates).chain()) is Reason.CHAIN_ISSUER_MISMATCH


@pytest.mark.parametrize(
    ("value", "findings"),
    [(sequence(), ()), (sequence(integer(1)), ()), (b"\x00", (CRL_POINTER,)), (b"", (CRL_POINTER,))],
)
def test_crl_pointer_of_a_leaf_is_looked_at_for_its_form_alone(value: bytes, findings: tuple[str, ...]) -> None:
    """No verifier follows it; Huawei's of one zero octet is remarkable."""
    draft = Scene.default(RKP).draft
    leaf = draft.leaf.with_extension(Extension("2.5.29.31", value))
    assert Question.of(replace(draft, leaf=leaf).chain()).ask().findings == findings


def test_critical_flag_of_the_leaf_written_as_01_is_said() -> None:
    """One extension is enough, whatever the description does."""
    draft = Scene.default(RKP).draft
    usage = Extension("2.5.29.15", b"\x03\x02\x07\x80", critical=True, true=1)
    claims = Question.of(replace(draft, leaf=draft.leaf.with_extension(usage)).chain()).ask()
    assert claims.findings == (BER_TRUE,)


@pytest.mark.parametrize("boot_hash", [None, b"\x5a" * 32])
def test_hash_of_what_booted_is_told_where_there_is_one(boot_hash: bytes | None) -> None:
    """It came with version 3."""
    root = kd.root_of_trust(key=b"\x11" * 32, boot_hash=boot_hash)
    android = with_hardware(t704=root)().ask().android
    assert android is not None
    assert android.verified_boot_hash == (None if boot_hash is None else boot_hash.hex())
    assert android.verified_boot_key == "11" * 32


def test_device_that_says_no_creation_time_has_no_finding() -> None:
    """The tag is optional in both lists."""
    assert with_software(t701=None)().ask().findings == ()


@pytest.mark.parametrize("algorithm", [kd.RSA, kd.ML_DSA])
def test_description_of_another_algorithm_than_the_keys_is_refused(algorithm: int) -> None:
    """Glued together, or a lying KeyMint."""
    with pytest.raises(AttestationError) as error:
        with_hardware(t2=integer(algorithm))().ask()
    assert error.value.reason is Reason.KEY_MISMATCH
    assert with_hardware(t2=integer(77))().ask().findings == (), "one that nobody knows says nothing"


def test_batch_that_is_no_ca_is_let_in_below_a_factorys_name_alone() -> None:
    """A chain that says neither factory nor remote provisioning has no excuse."""
    draft = Scene.default(RKP).draft
    batch, ca3, ca2 = line_of(draft)
    subject = name(("CN", "A CA of a vendor"))
    certificates = [
        SigningCertificate(batch.key, batch.template.with_extension(basic_constraints(ca=False))),
        SigningCertificate(ca3.key, replace(ca3.template, issuer=subject)),
        SigningCertificate(ca2.key, replace(ca2.template, subject=subject)),
    ]
    assert refusal(with_line(draft, certificates).chain()) is Reason.CHAIN_CA_FLAG


@pytest.mark.parametrize("index", range(4))
def test_octets_behind_any_certificate_are_noted(index: int) -> None:
    """Some exports of genuine chains have them; nothing is read out of them."""
    chain = list(Scene.default(RKP).draft.chain())
    chain[index] += b"\0\0"
    assert Question.of(tuple(chain)).ask().findings == (TRAILING_OCTETS,)


DAY = 86_400
FIRST_OF_2015 = 1_420_070_400


@pytest.mark.parametrize(
    ("seconds", "plausible"),
    [
        (FIRST_OF_2015, True),
        (FIRST_OF_2015 - 1, False),
        (0, False),
        (int(NOW) + DAY, True),
        (int(NOW) + DAY + 1, False),
    ],
)
def test_creation_time_is_plausible_from_2015_to_tomorrow(seconds: int, plausible: bool) -> None:
    """The device's own clock: a day ahead of ours is a time zone, more is no clock."""
    claims = with_software(t701=integer(seconds * 1000))().ask()
    assert claims.findings == (() if plausible else (CREATION_TIME,))
