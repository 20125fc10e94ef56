"""What a software HarmonyOS device mints, read by pyca, PyJWT and base64 alone: our verifiers play no part here."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from attestation.evidence import AttestationKind, IntegrityProfile
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.harmony.huks_statement import OID
from tests.unit.apple_mutations.scene import Drawn

from .scene import DIGEST, ENHANCED, HMS, NOW, chain_draft, device_of, token_draft

KINDS = [
    pytest.param({}, 3, id="anonymous"),
    pytest.param({"offline": True}, 4, id="offline"),
    pytest.param({"kind": AttestationKind.NON_ANONYMOUS}, 4, id="non-anonymous"),
]


def certificates(chain: tuple[bytes, ...]) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(certificate) for certificate in chain]


@pytest.mark.parametrize(("options", "length"), KINDS)
def test_chain_links_by_name_and_signature(options: dict[str, Any], length: int) -> None:
    """Every certificate is issued by the next, up to a root that issued itself."""
    chain = certificates(chain_draft(**options).chain())
    assert len(chain) == length
    for below, above in zip(chain, [*chain[1:], chain[-1]], strict=True):
        below.verify_directly_issued_by(above)


@pytest.mark.parametrize(("options", "length"), KINDS)
def test_only_the_leaf_attests(options: dict[str, Any], length: int) -> None:
    """The attestation extension stands on the first certificate, raw and not critical."""
    del length
    carriers = [
        [extension.critical for extension in certificate.extensions if extension.oid.dotted_string == OID]
        for certificate in certificates(chain_draft(**options).chain())
    ]
    assert carriers == [[False], *[[]] * (len(carriers) - 1)]


def test_anonymous_leaf_lives_seven_days_and_cannot_be_revoked() -> None:
    """As genuine ones of 2025."""
    leaf = certificates(chain_draft().chain())[0]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=7)
    assert "2.5.29.56" in [extension.oid.dotted_string for extension in leaf.extensions]
    assert leaf.subject.rfc4514_string() == "CN=Device Certificate Management Key"


def test_names_of_issuers_say_that_they_are_software() -> None:
    """No reader takes one of these CAs for Huawei's."""
    kinds: list[dict[str, Any]] = [{}, {"offline": True}, {"kind": AttestationKind.NON_ANONYMOUS}]
    for options in kinds:
        for certificate in certificates(chain_draft(**options).chain())[1:]:
            assert "Bonafide Software" in certificate.subject.rfc4514_string()


@pytest.mark.parametrize("profile", IntegrityProfile)
def test_token_verifies_with_another_library(profile: IntegrityProfile) -> None:
    """PyJWT, given the signer's key and the one algorithm, finds the payload."""
    token = device_of(profile=profile).check_integrity(DIGEST)
    header = jwt.get_unverified_header(token)
    signer = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key()
    assert isinstance(signer, ec.EllipticCurvePublicKey if profile is ENHANCED else rsa.RSAPublicKey)
    payload = jwt.decode(token, signer, algorithms=[header["alg"]])
    assert payload["basicIntegrity"] is True
    assert base64.b64decode(payload["nonce"]) == DIGEST
    assert payload["timestampMs" if profile is HMS else "timestamp"] == int(NOW * 1000)


@pytest.mark.parametrize(("profile", "length"), [("hms", 2), ("next", 3), ("enhanced", 3)])
def test_x5c_has_the_documented_length(profile: str, length: int) -> None:
    """HMS Core leaves the root out; the others are documented with three certificates."""
    token = token_draft(IntegrityProfile(profile)).seal()
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert len(header["x5c"]) == length


def test_app_id_holds_bundle_and_signing_key() -> None:
    """The bundle name, and the uncompressed point of the key in base64."""
    device = device_of()
    bundle, _, point = device.app_id.partition("_")
    assert bundle == device.bundle_name
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64.b64decode(point)) == device.signer


def test_same_root_gives_the_same_issuers() -> None:
    """EC keys and serials follow from the root, so a chain made tomorrow has the CAs of today."""
    again = DeviceAuthority.create(Drawn("authority")).harmony
    assert chain_draft(device_of(authority=again)).chain() == chain_draft().chain()
