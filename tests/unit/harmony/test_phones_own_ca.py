"""Integrity tokens that a phone's own CA signed or issued the signer of: one extracted key would speak for all phones.

The chains have the shape of genuine ones. Non-anonymous HUKS chains show the phone's certificate as a CA (path length
0) below an equipment CA below Root CA G2, which is the root of the profile ``next`` too. OpenHarmony's offline chains
have a CA of the device's below the anonymous CA, with the name of the ``enhanced`` signer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from attestation.errors import Reason, RejectedEvidence
from attestation.evidence import IntegrityProfile
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devkit.devices.android import key_description as android
from devkit.devices.authority.certificate_template import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    CertificateTemplate,
    Extension,
    SigningCertificate,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, enumerated, integer, sequence, tlv
from devkit.devices.authority.harmony import (
    DEVICE_SECURITY_LEVEL,
    ENHANCED_SIGNER,
    SIGNING_HOST,
    IssuerLine,
    rsa_key,
)
from devkit.devices.harmony.huks_statement import ARC, OID

from .scene import ENHANCED, HARMONY, HMS, NEXT, TokenQuestion, token_draft

THIEF = rsa_key("somebody")
HOST_PROFILES = (HMS, NEXT)


def line_of(profile: IntegrityProfile) -> IssuerLine:
    return HARMONY.anonymous_line() if profile is ENHANCED else HARMONY.integrity_line()


def signer_of(profile: IntegrityProfile) -> SigningCertificate:
    return HARMONY.enhanced_signer() if profile is ENHANCED else HARMONY.host_signer()


def token(
    profile: IntegrityProfile,
    line: IssuerLine,
    leaf: CertificateTemplate,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    root: bool = True,
) -> TokenQuestion:
    draft = replace(token_draft(profile), certificates=line.chain(leaf, root=root), key=key)
    return TokenQuestion(token=draft.seal(), profile=profile)


def refusal(question: TokenQuestion) -> Reason:
    with pytest.raises(RejectedEvidence) as error:
        question.ask()
    return error.value.reason


def phone_line(*, marked: bool = True) -> IssuerLine:
    """A genuine phone's certificate and the CA that issued it; the marks of older ones are unknown."""
    line = HARMONY.device_line()
    if marked:
        return line
    device, equipment = line.issuers
    plain = device.template.without_extension(DEVICE_SECURITY_LEVEL)
    return replace(line, issuers=(SigningCertificate(device.key, plain), equipment))


@pytest.mark.parametrize("root", [True, False], ids=["root", "no-root"])
@pytest.mark.parametrize("marked", [True, False], ids=["marked", "unmarked"])
@pytest.mark.parametrize("profile", HOST_PROFILES)
def test_phones_certificate_issues_no_signer(profile: IntegrityProfile, marked: bool, root: bool) -> None:
    """The thief has one phone's key, and writes a certificate with the service's very name."""
    line = phone_line(marked=marked)
    signer = signer_of(profile).template
    leaf = replace(signer, issuer=line.first.name, spki=spki_of(THIEF))
    assert refusal(token(profile, line, leaf, THIEF, root=root)) is Reason.CHAIN_LENGTH


@pytest.mark.parametrize("root", [True, False], ids=["root", "no-root"])
def test_devices_offline_ca_issues_no_signer(root: bool) -> None:
    """The same in the other hierarchy: below the CA that genuine devices have for attesting without the network."""
    line = HARMONY.anonymous_line(offline=True)
    signer = HARMONY.enhanced_signer()
    leaf = replace(signer.template, issuer=line.first.name)
    assert refusal(token(ENHANCED, line, leaf, signer.key, root=root)) is Reason.CHAIN_LENGTH


@pytest.mark.parametrize("usage", [KEY_CERT_SIGN | CRL_SIGN, KEY_CERT_SIGN | DIGITAL_SIGNATURE, KEY_CERT_SIGN])
def test_devices_offline_ca_signs_no_token(usage: int) -> None:
    """It has the signer's name, and its key is for certificates."""
    device, above = HARMONY.anonymous_line(offline=True).issuers
    named = replace(device.template, subject=name(("CN", ENHANCED_SIGNER))).with_extension(key_usage(usage))
    assert isinstance(device.key, ec.EllipticCurvePrivateKey)
    line = replace(HARMONY.anonymous_line(), issuers=(above,))
    assert refusal(token(ENHANCED, line, named, device.key)) is Reason.CHAIN_KEY_USAGE


def test_what_cannot_be_told_apart_is_said() -> None:
    """Huawei's signer may call itself a CA as well, so a CA without key usage passes, and policy is told."""
    device, above = HARMONY.anonymous_line(offline=True).issuers
    named = replace(device.template, subject=name(("CN", ENHANCED_SIGNER))).without_extension("2.5.29.15")
    assert isinstance(device.key, ec.EllipticCurvePrivateKey)
    line = replace(HARMONY.anonymous_line(), issuers=(above,))
    assert token(ENHANCED, line, named, device.key).ask().signer_is_ca


@pytest.mark.parametrize("profile", IntegrityProfile)
def test_root_signs_no_signer_itself(profile: IntegrityProfile) -> None:
    """Between the service and the root stands exactly one CA, not none."""
    signer = signer_of(profile)
    line = replace(line_of(profile), issuers=())
    leaf = replace(signer.template, issuer=HARMONY.root_name)
    assert refusal(token(profile, line, leaf, signer.key)) is Reason.CHAIN_LENGTH


MARKS = {
    "device level": Extension(DEVICE_SECURITY_LEVEL, sequence(integer(1), enumerated(2))),
    "device attestation": Extension(f"{ARC}.1.2", NULL),
    "HUKS attestation": Extension(OID, sequence(integer(0))),
    "activation": Extension(f"{ARC}.1.5", NULL),
    "one of tomorrow": Extension(f"{ARC}.1.99", NULL),
    "Android attestation": Extension(android.OID, NULL),
}


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("profile", IntegrityProfile)
def test_marked_signer_is_not_the_service(profile: IntegrityProfile, mark: str) -> None:
    """A phone's or an attested key's certificate with the service's name is still a phone's."""
    signer = signer_of(profile)
    leaf = signer.template.with_extension(MARKS[mark])
    assert refusal(token(profile, line_of(profile), leaf, signer.key)) is Reason.INTEGRITY_TOKEN_SIGNER


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("profile", IntegrityProfile)
def test_marked_ca_issues_no_signer(profile: IntegrityProfile, mark: str) -> None:
    """Were a phone's certificate issued by the root itself, the count of CAs would not tell it."""
    line = line_of(profile)
    marked = SigningCertificate(line.first.key, line.first.template.with_extension(MARKS[mark]))
    signer = signer_of(profile)
    question = token(profile, replace(line, issuers=(marked,)), signer.template, signer.key)
    assert refusal(question) is Reason.INTEGRITY_TOKEN_SIGNER


@pytest.mark.parametrize("profile", HOST_PROFILES)
def test_ca_with_the_hosts_name_signs_no_token(profile: IntegrityProfile) -> None:
    """A CA below the root that gave itself the service's name, by a path of the right length."""
    signer = HARMONY.host_signer()
    leaf = signer.template.with_extension(basic_constraints(ca=True)).without_extension("2.5.29.15")
    assert refusal(token(profile, HARMONY.integrity_line(), leaf, rsa_key("service"))) is Reason.CHAIN_CA_FLAG


def _dns(*hosts: str) -> Extension:
    return Extension("2.5.29.17", sequence(*(tlv(0x82, host.encode("ascii")) for host in hosts)))


NAMES: dict[str, Callable[[CertificateTemplate], CertificateTemplate]] = {
    "upper case": lambda leaf: leaf.with_extension(_dns(SIGNING_HOST.upper())),
    "a dot behind": lambda leaf: leaf.with_extension(_dns(f"{SIGNING_HOST}.")),
    "a blank behind": lambda leaf: leaf.with_extension(_dns(f"{SIGNING_HOST} ")),
    "another organisation's unit": lambda leaf: replace(
        leaf.without_extension("2.5.29.17"), subject=name(("OU", SIGNING_HOST), ("CN", "phone"))
    ),
}


@pytest.mark.parametrize("form", NAMES)
def test_name_of_the_host_is_exact(form: str) -> None:
    """Near misses are names of others."""
    leaf = NAMES[form](HARMONY.host_signer().template)
    assert refusal(token(NEXT, HARMONY.integrity_line(), leaf, rsa_key("service"))) is Reason.INTEGRITY_TOKEN_SIGNER


@pytest.mark.parametrize(
    "common_name",
    [
        "OpenHarmony Device Attestation Service",
        "HarmonyOS Device Attestation Service",
        f"{ENHANCED_SIGNER} ",
        ENHANCED_SIGNER.lower(),
        f"{ENHANCED_SIGNER} 2",
    ],
)
def test_name_of_the_enhanced_signer_is_exact(common_name: str) -> None:
    """OpenHarmony's CA differs from it by four letters."""
    signer = HARMONY.enhanced_signer(common_name)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    question = token(ENHANCED, HARMONY.anonymous_line(), signer.template, signer.key)
    assert refusal(question) is Reason.INTEGRITY_TOKEN_SIGNER
