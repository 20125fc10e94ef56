"""The examples of RFC 9449, of the client-attestation draft and of EAR, accepted and refused as they should be.

They lie beside the case files (``$BONAFIDE_CASES/../standards``) and stay out of the repository.
"""

from __future__ import annotations

from typing import Any

import pytest
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.jose import (
    JwsKind,
    b64url_decode,
    jwk_thumbprint,
    public_key_from_jwk,
    public_key_from_point,
    read_jws,
)
from bonafide_tokens.pop import verify_attestation_pop
from bonafide_tokens.proof import verify_proof
from bonafide_tokens.signing import EAR_PROFILE
from bonafide_tokens.token import TOKEN_TYPE, request_key_of, verify_token
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tests.unit.gate.stand import parts, token
from tests.unit.gate.standard_examples import examples


def kind(typ: str, *, embeds_key: bool = False) -> JwsKind:
    return JwsKind(
        typ,
        max_characters=4096,
        malformed=Reason.TOKEN_MALFORMED,
        algorithm=Reason.TOKEN_ALGORITHM,
        wrong_type=Reason.TOKEN_TYPE,
        embeds_key=embeds_key,
    )


def from_pem(pem: str):  # type: ignore[no-untyped-def]
    point = load_pem_public_key(pem.encode()).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public_key_from_point(point)


@pytest.fixture
def dpop() -> dict[str, Any]:
    return examples("rfc9449_dpop_examples")


@pytest.fixture
def abca() -> dict[str, Any]:
    return examples("abca_draft10plus_examples")


def checked(dpop: dict[str, Any], number: int, **changes: Any) -> Reason | str:
    proof = dpop["proofs"][number]
    arguments = {
        "method": proof["claims"]["htm"],
        "url": proof["claims"]["htu"],
        "token": dpop["access_token"],
        "request_key_thumbprint": proof["jkt"],
        "now": float(proof["claims"]["iat"]),
    }
    try:
        return verify_proof(proof["jwt"], **(arguments | changes)).jti
    except TokenError as error:
        return error.reason


def test_proof_for_a_protected_resource_is_accepted(dpop: dict[str, Any]) -> None:
    """RFC 9449 §7.1: with ath, for the resource server."""
    assert checked(dpop, 2) == dpop["proofs"][2]["claims"]["jti"]
    assert checked(dpop, 2, url="HTTPS://resource.example.org:443/protectedresource?x=1") == "e1j3V_bKic8-LAEB"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "POST"}, Reason.PROOF_REQUEST),
        ({"url": "https://resource.example.org/other"}, Reason.PROOF_REQUEST),
        ({"token": "another"}, Reason.PROOF_TOKEN),
        ({"request_key_thumbprint": "A" * 43}, Reason.PROOF_KEY),
        ({"now": 1562262618.0 + 61}, Reason.PROOF_TIME),
    ],
)
def test_same_proof_elsewhere_is_refused(dpop: dict[str, Any], change: dict[str, Any], reason: Reason) -> None:
    """One change, one reason."""
    assert checked(dpop, 2, **change) is reason


@pytest.mark.parametrize("number", [0, 1])
def test_proofs_for_a_token_endpoint_lack_what_an_api_needs(dpop: dict[str, Any], number: int) -> None:
    """RFC 9449 §4.3: ath is required with an access token. Their signatures are good all the same."""
    assert checked(dpop, number) is Reason.PROOF_MALFORMED
    proof = dpop["proofs"][number]
    dpop_proof = kind("dpop+jwt", embeds_key=True)
    assert read_jws(proof["jwt"], dpop_proof).signed_by(public_key_from_jwk(proof["header"]["jwk"]))
    assert jwk_thumbprint(proof["header"]["jwk"]) == proof["jkt"]


def test_access_token_is_no_attestation_token(dpop: dict[str, Any]) -> None:
    """Another JWT of the platform, passed off as ours."""
    with pytest.raises(TokenError) as refusal:
        verify_token(dpop["jwt_access_token_with_cnf_jkt"]["jwt"], keys={}, issuer="", audience="", now=1562262618.0)
    assert refusal.value.reason is Reason.TOKEN_TYPE


def test_client_attestation_is_read_and_refused_for_what_only_ours_has(abca: dict[str, Any]) -> None:
    """Its type, algorithm and signature are as ours; it names no issuer (the draft dropped it), so it is not ours."""
    attestation = abca["client_attestation"]
    key = from_pem(abca["attester_public_key_pem"])
    assert read_jws(attestation["jwt"], kind(TOKEN_TYPE)).signed_by(key)
    with pytest.raises(TokenError) as refusal:
        verify_token(attestation["jwt"], keys={"11": key}, issuer="x", audience="y", now=1772487600.0)
    assert refusal.value.reason is Reason.TOKEN_ISSUER


def test_key_in_cnf_is_compared_by_thumbprint(abca: dict[str, Any]) -> None:
    """The example's cnf.jwk has an extra ``use``, which must not matter."""
    jwk = abca["client_attestation"]["claims"]["cnf"]["jwk"]
    assert "use" in jwk
    assert jwk_thumbprint(jwk) == abca["pop_jwk_thumbprint_sha256"]
    assert public_key_from_jwk(jwk) == from_pem(abca["pop_public_key_pem"])


def test_attestation_pop_is_no_dpop_proof(abca: dict[str, Any]) -> None:
    """Its signature is good, its type another: it has its own header and rules."""
    for pop in abca["client_attestation_pop"]:
        pop_kind = kind("oauth-client-attestation-pop+jwt")
        assert read_jws(pop["jwt"], pop_kind).signed_by(from_pem(abca["pop_public_key_pem"]))
        with pytest.raises(TokenError) as refusal:
            verify_proof(
                pop["jwt"],
                method="GET",
                url="https://rs.example.com/",
                token="t",
                request_key_thumbprint=abca["pop_jwk_thumbprint_sha256"],
                now=1772487600.0,
            )
        assert refusal.value.reason is Reason.PROOF_MALFORMED


def test_drafts_own_pop_is_accepted_and_refused_as_it_should_be(abca: dict[str, Any]) -> None:
    """Both examples, for the audience, key and time they were made for, and for no other."""
    key = from_pem(abca["pop_public_key_pem"])
    attestation = abca["client_attestation"]["jwt"]
    assert request_key_of(attestation) == key
    for pop in abca["client_attestation_pop"]:
        claims = pop["claims"]
        usual = {"audience": claims["aud"], "request_key": key, "now": float(claims["iat"])}
        verified = verify_attestation_pop(pop["jwt"], **usual)
        assert (verified.jti, verified.nonce) == (claims["jti"], claims["challenge"])
        assert verified.request_key_thumbprint == abca["pop_jwk_thumbprint_sha256"]
        for change, reason in (
            ({"audience": "https://other.example"}, Reason.PROOF_REQUEST),
            ({"now": usual["now"] + 61}, Reason.PROOF_TIME),
            ({"request_key": from_pem(abca["attester_public_key_pem"])}, Reason.PROOF_SIGNATURE),
        ):
            with pytest.raises(TokenError) as refusal:
                verify_attestation_pop(pop["jwt"], **(usual | change))
            assert refusal.value.reason is reason
        with pytest.raises(TokenError) as refusal:
            verify_attestation_pop(attestation, **usual)
        assert refusal.value.reason is Reason.PROOF_MALFORMED


def test_our_ear_claims_are_named_as_in_the_drafts_examples() -> None:
    """draft-ietf-rats-ear-03: underscores, and these names exactly."""
    ear = examples("ear_examples")["claims_sets"]["ear-json-1"]
    _, claims = parts(token())
    (theirs,), (ours,) = ear["submods"].values(), claims["submods"].values()
    assert claims["eat_profile"] == ear["eat_profile"] == EAR_PROFILE
    assert set(claims["ear_verifier_id"]) == set(ear["ear_verifier_id"])
    assert set(ours) == {"ear_status", "ear_trustworthiness_vector"} <= set(theirs)
    assert set(ours["ear_trustworthiness_vector"]) <= set(theirs["ear_trustworthiness_vector"])


def test_legacy_ear_token_is_not_one_of_ours() -> None:
    """Its signature is good; its type is plain JWT, and its iat a floating-point number (RFC 9711 forbids it)."""
    legacy = examples("ear_examples")["signed_jwt_legacy_veraison_profile"]
    assert read_jws(legacy["jwt"], kind("JWT")).signed_by(public_key_from_jwk(legacy["jwk"]))
    assert b"1.666529184e+09" in b64url_decode(legacy["jwt"].split(".")[1])
    with pytest.raises(TokenError) as refusal:
        verify_token(legacy["jwt"], keys={}, issuer="x", audience="y", now=1677247900.0)
    assert refusal.value.reason is Reason.TOKEN_TYPE
