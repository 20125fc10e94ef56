"""Renewal by the attested key: one spelling of one signature, over exactly the client data, for enrolled Androids."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from attestation.attested_key import AttestedKey
from attestation.claims import Claims, KeyStorage, Platform
from attestation.errors import AttestationError, Reason
from attestation.evidence import KeySignature, parse_evidence
from attestation.reference_values import Environment
from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.minted_claims import minted_claims

from .scene import CLIENT_DATA, CLIENT_DATA_HASH, FORGED_KEY, Question, Scene, claims_of

SCENE = Scene.default()
ENROLLED = claims_of(SCENE)
STORED = AttestedKey(public_key=ENROLLED.public_key, claims=ENROLLED)
SIGNATURE = SCENE.phone.sign(SCENE.key, CLIENT_DATA)
QUESTION = Question(evidence=KeySignature(SIGNATURE), attested_key=STORED)


def test_signature_by_the_attested_key_renews() -> None:
    """What enrolment proved stays proved: the renewal adds nothing and loses nothing."""
    renewal = QUESTION.ask()
    assert renewal.format == "key-signature"
    assert ENROLLED.renewed(renewal) == ENROLLED


def test_signature_travels_as_evidence() -> None:
    """The API's spelling."""
    assert parse_evidence({"format": "key-signature", "signature": b64url_encode(SIGNATURE)}) == KeySignature(SIGNATURE)


def _apple_claims() -> Claims:
    return minted_claims(
        format="apple-app-attest",
        platform=Platform.IOS,
        app_id="ABCDE12345.org.example.demo",
        public_key=ENROLLED.public_key,
        key_storage=KeyStorage.SECURE_ENCLAVE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        counter=3,
    )


_DER = SCENE.key.sign(CLIENT_DATA, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (replace(QUESTION, client_data_hash=sha256(b"other").digest()), Reason.SIGNATURE_INVALID),
        (replace(QUESTION, evidence=KeySignature(SCENE.phone.sign(FORGED_KEY, CLIENT_DATA))), Reason.SIGNATURE_INVALID),
        (
            replace(QUESTION, evidence=KeySignature(SCENE.phone.sign(SCENE.key, CLIENT_DATA_HASH))),
            Reason.SIGNATURE_INVALID,
        ),
        (replace(QUESTION, evidence=KeySignature(bytes(64))), Reason.SIGNATURE_INVALID),
        (replace(QUESTION, evidence=KeySignature(b"\xff" * 64)), Reason.SIGNATURE_INVALID),
        (replace(QUESTION, evidence=KeySignature(_DER)), Reason.STRUCTURE_INVALID),
        (replace(QUESTION, evidence=KeySignature(b"")), Reason.STRUCTURE_INVALID),
        (replace(QUESTION, evidence=KeySignature(SIGNATURE + b"\0")), Reason.STRUCTURE_INVALID),
        (replace(QUESTION, client_data_hash=CLIENT_DATA), Reason.STRUCTURE_INVALID),
        (replace(QUESTION, attested_key=None), Reason.KEY_UNKNOWN),
        (replace(QUESTION, attested_key=replace(STORED, claims=None)), Reason.KEY_UNKNOWN),
        (replace(QUESTION, attested_key=replace(STORED, claims=_apple_claims())), Reason.KEY_OTHER_PLATFORM),
        (replace(QUESTION, attested_key=replace(STORED, public_key=b"\x04" + bytes(64))), Reason.KEY_UNREADABLE),
        (replace(QUESTION, attested_key=replace(STORED, public_key=b"an RSA key")), Reason.KEY_UNREADABLE),
    ],
    ids=[
        "other client data",
        "another key",
        "hashed twice",
        "zeros",
        "numbers beyond the order",
        "DER instead of R and S",
        "empty",
        "one octet more",
        "client data instead of its hash",
        "no stored key",
        "no enrolment",
        "an App Attest key, whose counter this would get round",
        "stored point off its curve",
        "stored key of another type",
    ],
)
def test_anything_else_is_refused(question: Question, reason: Reason) -> None:
    """One change, one reason."""
    with pytest.raises(AttestationError) as refusal:
        question.ask()
    assert refusal.value.reason is reason
