"""The secure hardware as a service: what it answers verifies, binds what was asked, and behaves as a phone does."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from hashlib import sha256
from typing import Any

import pytest
from attestation.android.revocation import StatusList
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import TrustAnchor, pinned_endorsements
from attestation.errors import RejectedEvidence
from attestation.evidence import parse_evidence
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    HarmonyReferenceValues,
    ReferenceValues,
)
from attestation.sealing.endorsement import verify_sealing_key
from attestation.verify import verify, verify_additional_evidence
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.demo_app import DEMO_AGC_APP_ID, DEMO_ANDROID_SIGNER, DEMO_PACKAGE, demo_harmony_app_id
from devkit.devices.evidence_service import EvidenceService, SecureHardware, Unanswerable
from devkit.devices.fake_google import SoftwareGoogle

NOW = 1_800_000_000.0
DIGEST = sha256(b"client data").digest()
HASH = b64url_encode(DIGEST)


@pytest.fixture(scope="module")
def authority() -> DeviceAuthority:
    return DeviceAuthority.create()


@pytest.fixture
def hardware(authority: DeviceAuthority) -> SecureHardware:
    return SecureHardware(authority)


@pytest.fixture
def expected(authority: DeviceAuthority) -> dict[str, Any]:
    """What a stack expects that registers the demo app and lists the test root."""
    root = TrustAnchor.of(read_certificate(authority.root_certificate))
    play = SoftwareGoogle(authority.android).response_keys(DEMO_PACKAGE).ours
    return {
        "reference_values": ReferenceValues(
            apple=AppleReferenceValues(app_ids=(DEMO_APPLE_APP_ID,)),
            android=AndroidReferenceValues(
                packages=(DEMO_PACKAGE,), signing_digests=frozenset({DEMO_ANDROID_SIGNER}), play_integrity=(play,)
            ),
            harmony=HarmonyReferenceValues(
                bundle_names=(DEMO_PACKAGE,), app_ids=(demo_harmony_app_id(), DEMO_AGC_APP_ID)
            ),
        ),
        "endorsements": pinned_endorsements()
        .with_development_anchors([root])
        .with_android_status(StatusList({}, fetched_at=NOW)),
        "now": NOW,
    }


def _key() -> tuple[ec.EllipticCurvePrivateKey, dict[str, str]]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, public_key_of(key).to_jwk()


@pytest.mark.parametrize("platform", ["android", "harmony"])
def test_chain_and_integrity_verify_for_the_key_and_the_hash(
    hardware: SecureHardware, expected: dict[str, Any], platform: str
) -> None:
    """The claims name the client's own key, build and app; another hash is refused."""
    key, jwk = _key()
    asked = {"public_key": jwk, "challenge_hash": HASH, "app": "demo", "app_build": "42"}
    answer = hardware.answer(f"/{platform}", asked, NOW)
    evidence = parse_evidence({"format": f"{platform}-key-attestation", **answer})
    claims = verify(evidence, client_data_hash=DIGEST, **expected)
    assert claims.public_key == public_key_of(key).point
    assert claims.android is None or claims.android.package_version == 42
    integrity = hardware.answer(f"/{platform}/integrity", {"client_data_hash": HASH}, NOW)
    kind = {"android": "android-play-integrity", "harmony": "harmony-device-integrity"}[platform]
    both = verify_additional_evidence(
        claims, parse_evidence({"format": kind, **integrity}), client_data_hash=DIGEST, **expected
    )
    assert (both.android or both.harmony) != (claims.android or claims.harmony)
    with pytest.raises(RejectedEvidence):
        verify(evidence, client_data_hash=bytes(32), **expected)


@pytest.mark.parametrize("platform", ["android", "harmony"])
def test_key_for_agreement_is_endorsed_as_sealing_key(
    hardware: SecureHardware, expected: dict[str, Any], platform: str
) -> None:
    """The purpose is in what the hardware signs: a key for signatures is no sealing key."""
    (_, attested), (key, sealing) = _key(), _key()
    proof = hardware.answer(f"/{platform}", {"public_key": attested, "challenge_hash": HASH}, NOW)
    claims = verify(
        parse_evidence({"format": f"{platform}-key-attestation", **proof}), client_data_hash=DIGEST, **expected
    )
    judged: dict[str, Any] = {}
    for purpose in ("agree", "sign"):
        chain = hardware.answer(
            f"/{platform}", {"public_key": sealing, "challenge_hash": HASH, "purpose": purpose}, NOW
        )
        evidence: Any = parse_evidence({"format": f"{platform}-sealing-key-attestation", **chain})
        try:
            judged[purpose] = verify_sealing_key(
                evidence,
                sealing_key=public_key_of(key) if platform == "harmony" else None,
                claims=claims,
                client_data_hash=DIGEST,
                **expected,
            ).point
        except RejectedEvidence:
            judged[purpose] = None
    assert judged == {"agree": public_key_of(key).point, "sign": None}


def test_app_attest_key_is_attested_once_and_counts(hardware: SecureHardware, expected: dict[str, Any]) -> None:
    """As on an iPhone: no assertion before the attestation, no second attestation, a greater counter each time."""
    key_id = hardware.answer("/apple/keys", {}, NOW)["key_id"]
    asked = {"key_id": key_id, "client_data_hash": HASH, "app": "demo"}
    with pytest.raises(Unanswerable, match="not attested yet"):
        hardware.answer("/apple/assert", asked, NOW)
    item = {
        "format": "apple-app-attest",
        "key_id": b64url_encode(base64.b64decode(str(key_id))),
        **hardware.answer("/apple/attest", asked, NOW),
    }
    claims = verify(parse_evidence(item), client_data_hash=DIGEST, **expected)
    with pytest.raises(Unanswerable, match="attested before"):
        hardware.answer("/apple/attest", asked, NOW)
    counters = [_assert(hardware, asked, claims, expected) for _ in range(2)]
    assert counters == [1, 2]


def _assert(hardware: SecureHardware, asked: dict[str, Any], claims: Claims, expected: dict[str, Any]) -> int | None:
    assertion = {"format": "apple-app-attest-assertion", **hardware.answer("/apple/assert", asked, NOW)}
    known = AttestedKey(public_key=claims.public_key, apple_app_id=claims.app_id, claims=claims)
    return verify(parse_evidence(assertion), client_data_hash=DIGEST, attested_key=known, **expected).counter


@pytest.mark.parametrize(
    ("path", "change", "why"),
    [
        ("/elsewhere", {}, "There is no"),
        ("/android", {"app": "other"}, "only demo"),
        ("/android", {"public_key": "x"}, "public JWK"),
        ("/android", {"public_key": {"kty": "RSA"}}, "public JWK"),
        ("/android", {"challenge_hash": HASH + "="}, "32 bytes"),
        ("/android", {"challenge_hash": 7}, "32 bytes"),
        ("/android", {"purpose": "wrap"}, "sign or agree"),
        ("/android", {"app_build": 7}, "digits"),
        ("/android", {"app_build": "1.2"}, "digits"),
        ("/harmony", {"release": "galaxy-s24"}, "harmony-5"),
        ("/harmony", {"release": ["harmony-5"]}, "harmony-5"),
        ("/apple/attest", {"key_id": "x"}, "no key of this phone"),
        ("/apple/assert", {"key_id": ["x"]}, "no key of this phone"),
    ],
)
def test_wrong_request_gets_a_sentence(hardware: SecureHardware, path: str, change: dict[str, Any], why: str) -> None:
    """An author of a client reads what is wrong; nothing is guessed."""
    asked = {"public_key": _key()[1], "challenge_hash": HASH, "client_data_hash": HASH} | change
    with pytest.raises(Unanswerable, match=why):
        hardware.answer(path, asked, NOW)


@pytest.mark.enable_socket
def test_served_over_http_with_the_time_that_the_client_names(
    authority: DeviceAuthority, expected: dict[str, Any]
) -> None:
    """Virtual time reaches the evidence; a wrong body is a 400 with a sentence, and the service goes on."""
    service = EvidenceService(SecureHardware(authority))
    service.start()
    try:
        asked = json.dumps({"client_data_hash": HASH}).encode()
        then = _post(service.url + "/harmony/integrity", asked, {"Kit-Time": str(NOW)})
        now = _post(service.url + "/harmony/integrity", asked, {})
        for body, headers in ((b"[]", {}), (b"{", {}), (asked, {"Kit-Time": "soon"}), (asked, {"Kit-Time": "nan"})):
            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                _post(service.url + "/harmony/integrity", body, headers)
            assert json.loads(refused.value.read())["error"]
        with urllib.request.urlopen(service.url + "/facts", timeout=10) as answer:
            assert json.load(answer)["android"] == {"os": "Android 14", "model": "SM-S921B"}
    finally:
        service.stop()
    assert _time_of(then) == NOW
    assert abs(_time_of(now) - time.time()) < 3600


def _post(url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        read: dict[str, Any] = json.load(answer)
        return read


def _time_of(answer: dict[str, Any]) -> float:
    payload = json.loads(b64url_decode(answer["integrity_token"].split(".")[1]))
    return float(payload["timestamp"]) / 1000
