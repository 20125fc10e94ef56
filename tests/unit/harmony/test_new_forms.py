"""HUKS attestations in forms that no document names: let in where nothing rests on them, and noted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.claims import KeyStorage
from attestation.encoding.certificate import read_certificate
from attestation.evidence import AttestationKind
from attestation.harmony import key_attestation as ka

from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    Extension,
    SigningCertificate,
    basic_constraints,
)
from devkit.devices.authority.der_writer import boolean, enumerated, integer, sequence, utf8_string
from devkit.devices.authority.harmony import DEVICE_SECURITY_LEVEL
from devkit.devices.harmony import huks_statement as huks

from .scene import AUTHORITY, BUNDLE, FORGED_KEY, NOW, KeyQuestion, chain_draft, device_of
from .verified_claims import claims_of, harmony_of


@pytest.mark.parametrize("version", [1, 2, 127, -1, 70_000])
def test_unknown_version_is_a_finding(version: int) -> None:
    """A release that counts its version up and changes nothing else must not shut its devices out."""
    draft = chain_draft()
    claims = claims_of(replace(draft, statement=replace(draft.statement, version=version)))
    assert claims.findings == (ka.VERSION_UNKNOWN,)
    assert claims.key_storage is KeyStorage.TEE


@pytest.mark.parametrize(
    "claim",
    [
        huks.Claim(2, huks.MODEL, b"\x0c\x02\xff\xff"),
        huks.Claim(2, huks.MODEL, integer(5)),
        huks.Claim(2, f"{huks.ARC}.2.4.1.5", boolean(True, true=1)),
        huks.Claim(2, huks.KEY_PURPOSE, b"\x04\x02\x0c\x00"),
        huks.Claim(3, f"{huks.ARC}.2.2.2.7", utf8_string("attest")),
        huks.Claim(3, f"{huks.ARC}.2.2.2.5", sequence(integer(1))),
    ],
    ids=["no text", "a number for a text", "no boolean", "two octets", "a text for a number", "a sequence"],
)
def test_claim_that_nothing_rests_on_may_take_any_form(claim: huks.Claim) -> None:
    """It counts as absent, and the finding says that there was something."""
    claims = claims_of(chain_draft().with_claim(claim))
    assert claims.findings == (ka.CLAIMS_UNREAD,)
    harmony = harmony_of(claims)
    assert (harmony.model, harmony.key_purposes) in ((None, None), ("CLS-SW00", None))


@pytest.mark.parametrize(
    "value",
    [sequence(integer(2), integer(9)), sequence(integer(1), enumerated(6)), sequence(integer(2), enumerated(2)), b""],
    ids=["an INTEGER", "beyond all levels", "version 2", "nothing"],
)
def test_device_level_in_a_new_form_is_a_finding(value: bytes) -> None:
    """Nothing rests on the device's own level: it is left out, and said so."""
    draft = chain_draft(kind=AttestationKind.NON_ANONYMOUS)
    device, *above = draft.line.issuers
    template = device.template.with_extension(Extension(DEVICE_SECURITY_LEVEL, value))
    line = replace(draft.line, issuers=(SigningCertificate(device.key, template), *above))
    claims = claims_of(replace(draft, line=line), AttestationKind.NON_ANONYMOUS)
    assert harmony_of(claims).device_security_level is None
    assert claims.findings == (ka.REVOCATION_UNCHECKED, ka.CLAIMS_UNREAD)


def test_device_level_of_an_in_chain_root_is_unsigned() -> None:
    """Anyone can write another certificate for the root's key, with whatever extension they like."""
    draft = chain_draft()
    root = read_certificate(AUTHORITY.root_certificate)
    template = CertificateTemplate(
        serial=1,
        issuer=root.subject,
        subject=root.subject,
        not_before=NOW - 1,
        not_after=NOW + 1,
        spki=root.spki,
        digest="sha256",
        extensions=(
            basic_constraints(ca=True),
            Extension(DEVICE_SECURITY_LEVEL, sequence(integer(1), enumerated(5))),
        ),
    )
    leaf = replace(draft.leaf, issuer=root.subject).with_extension(draft.statement.extension())
    chain = (leaf.signed_by(AUTHORITY.root.key), template.signed_by(FORGED_KEY))
    claims = KeyQuestion(chain=chain).ask()
    assert harmony_of(claims).device_security_level is None


def test_identifier_written_as_a_number_is_the_same_identifier() -> None:
    """JSON has both; the digits are what AppGallery shows."""
    device = device_of()
    members = {"bundleName": BUNDLE, "appId": device.app_id, "appIdentifier": int(device.app_identifier)}
    claims = claims_of(chain_draft(device).with_claim(huks.application({**members, "appMode": "release"})))
    assert harmony_of(claims).app_identifier == device.app_identifier
