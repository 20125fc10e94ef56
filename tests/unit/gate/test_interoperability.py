"""Other implementations read what we make, and we read what they make: joserfc, jwcrypto, and EAR's own rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attestation.appraisal.result import AttestationResult, Tier
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.pop import verify_attestation_pop
from bonafide_tokens.proof import VerifiedProof, verify_proof
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import EAR_PROFILE, make_attestation_pop, make_proof
from bonafide_tokens.token import verify_token
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS, InvalidJWSSignature

from tests.unit.gate.stand import AUDIENCE, ISSUER, NOW, bundle, parts, private_key, public_key, signed, token
from tests.unit.gate.standard_examples import examples

URL = "https://api.example.com/v1/orders"
Opened = tuple[dict[str, Any], dict[str, Any]]


def by_joserfc(text: str, key: EcPublicKey) -> Opened:
    opened = joserfc_jws.deserialize_compact(text, ECKey.import_key(dict(key.to_jwk())), algorithms=["ES256"])
    return dict(opened.protected), json.loads(opened.payload)


def by_jwcrypto(text: str, key: EcPublicKey) -> Opened:
    opened = JWS()
    opened.allowed_algs = ["ES256"]
    opened.deserialize(text, JWK(**key.to_jwk()))
    return dict(opened.jose_header), json.loads(opened.payload)


def signed_by_joserfc(header: Mapping[str, Any], claims: Mapping[str, Any], name: str) -> str:
    return joserfc_jws.serialize_compact(dict(header), json.dumps(claims), ECKey.import_key(pem(name)))


def signed_by_jwcrypto(header: Mapping[str, Any], claims: Mapping[str, Any], name: str) -> str:
    made = JWS(json.dumps(claims))
    made.add_signature(JWK.from_pem(pem(name)), alg="ES256", protected=json.dumps(dict(header)))
    return str(made.serialize(compact=True))


def pem(name: str) -> bytes:
    return private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


READERS: dict[str, Callable[[str, EcPublicKey], Opened]] = {"joserfc": by_joserfc, "jwcrypto": by_jwcrypto}
WRITERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], str], str]] = {
    "joserfc": signed_by_joserfc,
    "jwcrypto": signed_by_jwcrypto,
}
MADE = {
    "token": (token(), "token"),
    "proof": (
        make_proof(
            private_key("request"),
            method="POST",
            url=URL,
            token="t",
            jti="j",
            now=NOW,
            nonce="n",
            content_digest=content_digest(b"{}"),
        ),
        "request",
    ),
    "attestation PoP": (make_attestation_pop(private_key("request"), audience=AUDIENCE, jti="j", now=NOW), "request"),
    "trust bundle": (signed(bundle()), "root"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("made", MADE)
def test_what_we_make_verifies_elsewhere(reader: str, made: str) -> None:
    """With the right key, to the same header and claims; with another key it does not."""
    text, key = MADE[made]
    assert READERS[reader](text, public_key(key)) == parts(text)
    with pytest.raises(Exception) as refusal:  # each library's own class
        READERS[reader](text, public_key("thief"))
    assert isinstance(refusal.value, InvalidJWSSignature) or type(refusal.value).__name__ == "BadSignatureError"


@pytest.mark.parametrize("writer", WRITERS)
def test_token_by_another_library_is_read_by_us(writer: str) -> None:
    """The claims make a token, not the code that wrote them."""
    header, claims = parts(token())
    text = WRITERS[writer](header, claims, "token")
    arguments: dict[str, Any] = {
        "keys": {"k7": public_key("token")},
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
    }
    assert verify_token(text, **arguments) == verify_token(token(), **arguments)


@pytest.mark.parametrize("writer", WRITERS)
def test_proof_by_another_library_is_read_by_us(writer: str) -> None:
    """An app may use any DPoP implementation."""
    header, claims = parts(MADE["proof"][0])
    proof = verify_proof(
        WRITERS[writer](header, claims, "request"),
        method="POST",
        url=URL,
        token="t",
        request_key_thumbprint=public_key("request").thumbprint(),
        now=NOW,
    )
    assert (proof.jti, proof.nonce, proof.content_digest) == ("j", "n", content_digest(b"{}"))


@pytest.mark.parametrize("writer", WRITERS)
def test_pop_by_another_library_is_read_by_us(writer: str) -> None:
    """The same for the draft's own proof."""
    header, claims = parts(MADE["attestation PoP"][0])
    text = WRITERS[writer](header, claims, "request")
    pop = verify_attestation_pop(text, audience=AUDIENCE, request_key=public_key("request"), now=NOW)
    assert type(pop) is VerifiedProof


def test_thumbprints_agree() -> None:
    """RFC 7638 by all three: what ``cnf`` and proofs are compared by."""
    key = public_key("request")
    assert key.thumbprint() == ECKey.import_key(dict(key.to_jwk())).thumbprint() == JWK(**key.to_jwk()).thumbprint()


# --- EAR (draft-ietf-rats-ear-03) and AR4SI -----------------------------------------------------------------------

TIERS = ("affirming", "warning", "contraindicated")
VECTOR = {
    "instance-identity",
    "configuration",
    "executables",
    "file-system",
    "hardware",
    "runtime-opaque",
    "storage-opaque",
    "sourced-data",
}


def tier_of(value: int) -> str:
    """AR4SI: which tier a trustworthiness value lies in."""
    if value in (-1, 0, 1):
        return "none"
    magnitude = value if value > 0 else -value - 1
    return TIERS[0] if magnitude < 32 else TIERS[1] if magnitude < 96 else TIERS[2]


def read_ear(claims: Mapping[str, Any]) -> dict[str, str]:
    """The status of each submodule of an EAR-03 claims set. Raises ``ValueError`` for what the profile forbids."""
    verifier, submods = claims.get("ear_verifier_id"), claims.get("submods")
    if claims.get("eat_profile") != EAR_PROFILE or type(claims.get("iat")) is not int:
        raise ValueError("not the profile, or iat is no integer")
    if not isinstance(verifier, dict) or not all(isinstance(verifier.get(n), str) for n in ("developer", "build")):
        raise ValueError("no verifier")
    if not isinstance(submods, dict) or not submods:
        raise ValueError("no submodule")
    statuses = {}
    for label, appraisal in submods.items():
        status, vector = appraisal.get("ear_status"), appraisal.get("ear_trustworthiness_vector")
        if status not in ("none", *TIERS) or not isinstance(vector, dict):
            raise ValueError("no status or no vector")
        if not set(vector) <= VECTOR or not all(type(v) is int and -128 <= v <= 127 for v in vector.values()):
            raise ValueError("not a trustworthiness vector")
        worst = max((TIERS.index(tier) for value in vector.values() if (tier := tier_of(value)) != "none"), default=0)
        if status in TIERS and TIERS.index(status) < worst:
            raise ValueError("the status is better than the worst entry")
        statuses[label] = status
    return statuses


@pytest.mark.parametrize(
    ("tier", "value"),
    [
        (Tier.AFFIRMING, 2),
        (Tier.AFFIRMING, 31),
        (Tier.WARNING, 2),
        (Tier.WARNING, 31),
        (Tier.WARNING, 32),
        (Tier.WARNING, 95),
    ],
)
def test_token_parses_under_the_ear_profile(tier: Tier, value: int) -> None:
    """Whatever is left out of the vector for size, the status is never better than what is there."""
    vector = dict.fromkeys(("instance-identity", "configuration", "executables", "hardware", "storage-opaque"), value)
    result = AttestationResult(tier=tier, findings=(), trustworthiness=vector, policy_version=17)
    _, claims = parts(token(result=result))
    assert read_ear(claims) == {"app": tier.value}


def test_drafts_examples_parse_by_the_same_rules() -> None:
    """Or else the rules would not be the draft's."""
    sets = examples("ear_examples")["claims_sets"]
    assert read_ear(sets["ear-json-1"]) == {"PSA": "contraindicated"}
    assert read_ear(sets["ear-json-2"]) == {"CCA Platform": "affirming", "CCA Realm": "affirming"}
    assert read_ear(sets["ext-veraison-json-2"]) == {"PARSEC_TPM": "affirming"}


def test_older_names_and_a_status_too_good_do_not_parse() -> None:
    """The legacy form of the same draft, and a verdict that contradicts its own vector."""
    ear = examples("ear_examples")
    with pytest.raises(ValueError, match="profile"):
        read_ear(ear["signed_jwt_legacy_veraison_profile"]["claims"])
    lying = json.loads(json.dumps(ear["claims_sets"]["ear-json-1"]))
    lying["submods"]["PSA"]["ear_status"] = "affirming"
    with pytest.raises(ValueError, match="better"):
        read_ear(lying)
