"""Attacks by token: what is changed, and the reason that must come of it."""

from __future__ import annotations

from bonafide_tokens.signing import es256_sign
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit.gate.forgery import CLAIMS, HEADER, THIEFS_JWK, TOKEN, attack, forged, hmac_token, raw_header
from tests.unit.gate.stand import NOW, Call, assembled, private_key, public_key, token

PEM = public_key("token").key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

TOKENS = (
    attack("no token", "token-missing", "no-token", token=None),
    attack("empty token", "token-missing", "no-token", token=""),
    attack("alg none", "token-algorithm", token=assembled(HEADER | {"alg": "none"}, CLAIMS, lambda _: b"")),
    attack("alg None", "token-algorithm", token=assembled(HEADER | {"alg": "None"}, CLAIMS, lambda _: b"")),
    attack("no alg", "token-algorithm", token=forged({"alg": None})),
    attack("HS256 with the public key in PEM", "token-algorithm", token=hmac_token(PEM)),
    attack("HS256 with the public point", "token-algorithm", token=hmac_token(public_key("token").point)),
    attack("ES384 announced", "token-algorithm", token=forged({"alg": "ES384"})),
    attack("alg as a list", "token-algorithm", token=forged({"alg": ["ES256"]})),
    attack("embedded jwk", "token-algorithm", token=forged({"jwk": THIEFS_JWK}, by="thief")),
    attack("embedded jwk, no kid", "token-algorithm", token=forged({"jwk": THIEFS_JWK, "kid": None}, by="thief")),
    attack("x5c", "token-algorithm", token=forged({"x5c": ["MIIB"]}, by="thief")),
    attack("jku", "token-algorithm", token=forged({"jku": "https://evil.example/jwks.json"}, by="thief")),
    attack("x5u", "token-algorithm", token=forged({"x5u": "https://evil.example/cert.pem"}, by="thief")),
    attack("crit", "token-malformed", token=forged({"crit": ["exp"]})),
    attack("b64 without crit", "token-malformed", token=forged({"b64": False})),
    attack(
        "audience list with a number",
        "token-audience",
        "wrong-audience",
        token=forged(claims={"aud": [CLAIMS["aud"], 7]}),
    ),
    attack("empty crit", "token-malformed", token=forged({"crit": []})),
    attack("plain JWT typ", "token-type", token=forged({"typ": "JWT"})),
    attack("trust bundle typ", "token-type", token=forged({"typ": "bonafide-trust-bundle+jwt"})),
    attack("no typ", "token-type", token=forged({"typ": None})),
    attack("unknown kid", "token-key-unknown", token=forged({"kid": "k8"})),
    attack("no kid", "token-key-unknown", token=forged({"kid": None})),
    attack("kid as a number", "token-key-unknown", token=forged({"kid": 7})),
    attack("kid as a path", "token-key-unknown", token=forged({"kid": "../../dev/null"})),
    attack("signed by another key", "token-signature", token=forged(by="thief")),
    attack("signed by the request key", "token-signature", token=forged(by="request")),
    attack("no signature", "token-signature", token=TOKEN.rsplit(".", 1)[0] + "."),
    attack("zero signature", "token-signature", token=assembled(HEADER, CLAIMS, lambda _: b"\0" * 64)),
    attack(
        "DER signature",
        "token-signature",
        token=assembled(HEADER, CLAIMS, lambda text: private_key("token").sign(text, ec.ECDSA(hashes.SHA256()))),
    ),
    attack(
        "signature with a byte more",
        "token-signature",
        token=assembled(HEADER, CLAIMS, lambda text: es256_sign(private_key("token"), text) + b"\0"),
    ),
    attack("another issuer", "token-issuer", token=forged(claims={"iss": "bonafide-dev"})),
    attack("no issuer", "token-issuer", token=forged(claims={"iss": None})),
    attack("issuer as a list", "token-issuer", token=forged(claims={"iss": ["bonafide-prod"]})),
    attack(
        "another audience", "token-audience", "wrong-audience", token=forged(claims={"aud": "https://other.example"})
    ),
    attack("audience list without us", "token-audience", "wrong-audience", token=forged(claims={"aud": ["a", "b"]})),
    attack("no audience", "token-audience", "wrong-audience", token=forged(claims={"aud": None})),
    attack(
        "audience as an object",
        "token-audience",
        "wrong-audience",
        token=forged(claims={"aud": {"https://api.example.com": 1}}),
    ),
    attack("expired", "token-expired", "expired", token=token(now=NOW - 305)),
    attack("expired long ago", "token-expired", "expired", token=token(now=1)),
    attack("from the future", "token-from-future", token=token(now=NOW + 6)),
    attack("not yet valid", "token-from-future", token=forged(claims={"nbf": int(NOW) + 60})),
    attack("no exp", "token-malformed", token=forged(claims={"exp": None})),
    attack("exp as text", "token-malformed", token=forged(claims={"exp": "9999999999"})),
    attack("exp as a fraction", "token-malformed", token=forged(claims={"exp": NOW + 60.5})),
    attack("exp as true", "token-malformed", token=forged(claims={"exp": True})),
    attack("exp beyond all numbers", "token-malformed", token=forged(claims={"exp": 10**40})),
    attack("exp infinite", "token-malformed", token=forged(claims={"exp": float("inf")})),
    attack("negative iat", "token-malformed", token=forged(claims={"iat": -1})),
    attack("no sub", "token-malformed", token=forged(claims={"sub": None})),
    attack("sub with a line break", "token-malformed", token=forged(claims={"sub": "orders\r\nX-Admin: 1"})),
    attack("app_build with a line break", "token-malformed", token=forged(claims={"app_build": "1\n2"})),
    attack("lone surrogate in app_build", "token-malformed", token=forged(claims={"app_build": "\ud800"})),
    attack("no cnf", "token-malformed", token=forged(claims={"cnf": None})),
    attack("cnf by thumbprint only", "token-malformed", token=forged(claims={"cnf": {"jkt": "x"}})),
    attack(
        "private key in cnf",
        "token-malformed",
        token=forged(claims={"cnf": {"jwk": THIEFS_JWK | {"d": THIEFS_JWK["x"]}}}),
    ),
    attack(
        "RSA key in cnf",
        "token-malformed",
        token=forged(claims={"cnf": {"jwk": {"kty": "RSA", "n": "x", "e": "AQAB"}}}),
    ),
    attack("no submods", "token-malformed", token=forged(claims={"submods": None})),
    attack("policy_version as text", "token-malformed", token=forged(claims={"policy_version": "17"})),
    attack("garbage", "token-malformed", token="garbage"),
    attack("two segments", "token-malformed", token=TOKEN.rsplit(".", 1)[0]),
    attack("five segments (a JWE)", "token-malformed", token=TOKEN + ".e30.e30"),
    attack("padded base64", "token-malformed", token=TOKEN + "="),
    attack("standard base64", "token-malformed", token="+" + TOKEN[1:]),
    attack("a space in it", "token-malformed", token=TOKEN.replace(".", ". ", 1)),
    attack("a line break in it", "token-malformed", token=TOKEN + "\n"),
    attack("Bearer before it", "token-malformed", token=f"Bearer {TOKEN}"),
    attack("a null byte", "token-malformed", token=TOKEN + "\0"),
    attack("full-width letters", "token-malformed", token="\uff45" + TOKEN[1:]),
    attack("a megabyte", "token-malformed", token="A" * 1_000_000),
    attack("a megabyte of dots", "token-malformed", token="." * 1_000_000),
    attack("header as a list", "token-malformed", token=assembled([], CLAIMS, lambda _: b"\0" * 64)),
    attack("header nested a thousand deep", "token-malformed", token=raw_header(b"[" * 1000)),
    attack(
        "header with a member twice",
        "token-malformed",
        token=raw_header(b'{"alg":"none","alg":"ES256"}'),
    ),
    attack("header with NaN", "token-malformed", token=raw_header(b'{"alg":NaN}')),
    attack("header not UTF-8", "token-malformed", token=raw_header(b'{"alg":"\xff"}')),
    attack("a proof as token", "token-algorithm", token=str(Call(token=TOKEN).proof_text())),
    attack(
        "claims are a list",
        "token-malformed",
        token=assembled(HEADER, [], lambda text: es256_sign(private_key("token"), text)),
    ),
)
