"""Attacks by proof and by header: what is changed, and the reason that must come of it."""

from __future__ import annotations

from tests.unit.gate.forgery import THIEFS_JWK, TOKEN, attack, forged_proof
from tests.unit.gate.stand import NOW, Call, public_key, token

PROOFS = (
    attack("stolen token, no proof", "proof-missing", proof=None),
    attack("empty proof", "proof-missing", proof=""),
    attack("stolen token, fresh key", "proof-key", signer="thief"),
    attack("thief's key under the owner's name", "proof-signature", proof=forged_proof(by="thief")),
    attack("for GET", "proof-request", signed_method="GET"),
    attack("for post in small letters", "proof-request", signed_method="post"),
    attack("for another path", "proof-request", signed_url=Call(path="/v1/orders/1").url),
    attack("for a longer path", "proof-request", signed_url=Call().url + "/"),
    attack("for another host", "proof-request", signed_url=Call(origin="https://evil.example").url),
    attack("for plain http", "proof-request", signed_url=Call().url.replace("https", "http")),
    attack("for another port", "proof-request", signed_url=Call(origin=Call.origin + ":8443").url),
    attack("for another stage", "proof-request", signed_url=Call(stage="dev").url),
    attack("user before the host", "proof-request", signed_url=Call().url.replace("https://", "https://a@")),
    attack("htu without a scheme", "proof-request", signed_url="/prod/v1/orders"),
    attack("escaped slash for a slash", "proof-request", signed_url=Call(path="/v1%2Forders").url),
    attack("full-width letters in htu", "proof-request", signed_url=Call(path="/v1/\uff4frders").url),
    attack("for another token", "proof-token", signed_token=token(jti="another")),
    attack("an hour old", "proof-time", made_at=NOW - 3600),
    attack("just too old", "proof-time", made_at=NOW - 61),
    attack("just too early", "proof-time", made_at=NOW + 61),
    attack("alg none", "proof-algorithm", proof=forged_proof({"alg": "none"})),
    attack("HS256", "proof-algorithm", proof=forged_proof({"alg": "HS256"})),
    attack("x5c", "proof-algorithm", proof=forged_proof({"x5c": ["MIIB"]})),
    attack("jku", "proof-algorithm", proof=forged_proof({"jku": "https://evil.example"})),
    attack("crit", "proof-malformed", proof=forged_proof({"crit": ["b64"], "b64": False})),
    attack("plain JWT typ", "proof-malformed", proof=forged_proof({"typ": "JWT"})),
    attack("the token as proof", "proof-malformed", proof=TOKEN),
    attack("no jwk", "proof-malformed", proof=forged_proof({"jwk": None})),
    attack("jwk as text", "proof-malformed", proof=forged_proof({"jwk": "key"})),
    attack(
        "private key in jwk",
        "proof-malformed",
        proof=forged_proof({"jwk": public_key("request").to_jwk() | {"d": "AAAA"}}),
    ),
    attack("symmetric key in jwk", "proof-malformed", proof=forged_proof({"jwk": {"kty": "oct", "k": "AAAA"}})),
    attack("short coordinate", "proof-malformed", proof=forged_proof({"jwk": THIEFS_JWK | {"x": "AAAA"}})),
    attack("no jti", "proof-malformed", proof=forged_proof(claims={"jti": None})),
    attack("jti of a kilobyte", "proof-malformed", proof=forged_proof(claims={"jti": "j" * 1024})),
    attack("jti as a number", "proof-malformed", proof=forged_proof(claims={"jti": 1})),
    attack("no htm", "proof-malformed", proof=forged_proof(claims={"htm": None})),
    attack("no htu", "proof-malformed", proof=forged_proof(claims={"htu": None})),
    attack("no iat", "proof-malformed", proof=forged_proof(claims={"iat": None})),
    attack("iat infinite", "proof-malformed", proof=forged_proof(claims={"iat": float("inf")})),
    attack("no ath", "proof-malformed", proof=forged_proof(claims={"ath": None})),
    attack("non-ASCII ath", "proof-token", proof=forged_proof(claims={"ath": "\uff41"})),
    attack("lone surrogate in htu", "proof-request", proof=forged_proof(claims={"htu": Call().url + "\ud800"})),
    attack("a megabyte", "proof-malformed", proof="A" * 1_000_000),
    attack("garbage", "proof-malformed", proof="garbage"),
)

HEADERS = (
    attack("two tokens", "token-malformed", headers={"OAuth-Client-Attestation": [TOKEN, TOKEN]}),
    attack("two tokens by two spellings", "token-malformed", headers={"oauth-client-attestation": [TOKEN]}),
    attack("two tokens in one value", "token-malformed", headers={"OAuth-Client-Attestation": [f"{TOKEN}, {TOKEN}"]}),
    attack("no value in the list", "token-missing", "no-token", headers={"OAuth-Client-Attestation": []}),
    attack("a value that is no text", "token-malformed", headers={"OAuth-Client-Attestation": [None]}),
    attack("two proofs", "proof-malformed", headers={"DPoP": [str(Call(token=TOKEN).proof_text())] * 2}),
    attack("two proofs by two spellings", "proof-malformed", headers={"dpop": [str(Call(token=TOKEN).proof_text())]}),
    attack("token in the proof's header only", "token-missing", "no-token", token=None, proof=TOKEN),
)
