"""Requests of ``attacks.json``: tokens, proofs and signatures, good ones and changed ones, truly signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.token import TOKEN_TYPE

from tests.vectors.keys import NOW, jwk, jws

ISSUER: Final = "bonafide-prod"
AUDIENCE: Final = "orders"
ORIGIN: Final = "https://api.example.com"
APP: Final = "orders-ios"
KEY_ID: Final = b64url_encode(sha256(b"the phone's attested key").digest())
NONCE_KEY: Final = sha256(b"the nonces of the vectors").digest()
BODY: Final = b'{"amount": 5}'
ROUTES: Final = (
    RouteRequirement("GET", "/v1/whoami", Requirement.TOKEN),
    RouteRequirement("*", "/v1/vault", Requirement.PROOF, "affirming"),
    RouteRequirement("*", "/v1/transfers", Requirement.SIGNED_REQUEST),
    RouteRequirement("*", "/public/*", Requirement.OFF),
    RouteRequirement("*", "/beta/*", Requirement.MONITOR),
    RouteRequirement("*", "/*", Requirement.PROOF),
)
TOKEN, PROOF = "OAuth-Client-Attestation", "DPoP"

VERIFIERS: Final = {
    "rest": "authorizer of a REST API, REQUEST event",
    "http": "authorizer of an HTTP API, payload 2.0",
    "edge": "Lambda@Edge, origin request",
    "asgi": "ASGI middleware",
    "wsgi": "WSGI middleware",
    "fastapi": "FastAPI dependency",
    "flask": "Flask decorator",
    "django": "Django middleware",
    "checker": "the checker, asked as nginx asks",
    "nginx": "the checker behind nginx",
    "envoy": "the checker behind Envoy",
}
CAUSES: Final = {
    "body": "accepted: no body comes along; the digest that the proof signs is handed on, and the backend compares",
    "server": "not sent: the gateway or server refuses such a head, or reads it otherwise, before anything is asked",
    "refuses": "refused: the proxy or framework answers by itself, before anything is asked",
    "mended": "accepted: the proxy drops a line that is none, or makes a space of a fold (RFC 9112 §5.2), and"
    " what is left is one token and one proof",
}
"""Why a verifier gives another answer than the case says; the first word says which."""

NO_BODY: Final = dict.fromkeys(("rest", "http", "checker", "nginx", "envoy"), "body")
NO_WIRE: Final = dict.fromkeys((name for name in VERIFIERS if name not in ("nginx", "envoy", "checker")), "server")


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; ``None`` leaves a claim out."""
    usual = {
        "iss": ISSUER,
        "sub": APP,
        "aud": [AUDIENCE],
        "iat": NOW - 10,
        "exp": NOW + 290,
        "jti": "dG9rZW4tb25lLXRva2Vu",
        "cnf": {"jwk": jwk("request")},
        "key_id": KEY_ID,
        "platform": "ios",
        "app_build": "3.14.1 (2718)",
        "policy_version": 17,
        "submods": {"app": {"ear_status": "affirming"}},
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def token(signer: str = "token", header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A token, truly signed by that key."""
    usual = {"alg": "ES256", "typ": TOKEN_TYPE, "kid": "k7"}
    return jws(signer, usual | dict(header or {}), claims(**changes))


def proof(
    of: str = "", /, signer: str = "request", header: Mapping[str, Any] | None = None, url: str = "", **changes: Any
) -> str:
    """A proof for the usual request and the token ``of``, with changes to its claims."""
    usual = {
        "jti": "cHJvb2Ytb25lLXByb29mLW9uZQ",
        "htm": "POST",
        "htu": url or ORIGIN + "/v1/orders",
        "iat": NOW,
        "ath": b64url_encode(sha256((of or token()).encode()).digest()),
        "content-digest": content_digest(BODY),
    }
    said = {name: value for name, value in (usual | changes).items() if value is not None}
    return jws(signer, {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(signer)} | dict(header or {}), said)


Headers = Sequence[tuple[str, str]]


def request(
    headers: Headers | None = None, *, method: str = "POST", target: str = "/v1/orders", body: bytes = BODY
) -> dict[str, Any]:
    """A request as the file has it."""
    listed = [(TOKEN, token()), (PROOF, proof())] if headers is None else headers
    return {"method": method, "target": target, "headers": [list(one) for one in listed], "body": body.decode()}


def case(
    name: str, reason: str, sent: Mapping[str, Any], not_at: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """A case: without a reason the request passes."""
    verdict = "refused" if reason else "accepted"
    return {"case": name, **more, "request": dict(sent), "verdict": verdict, "reason": reason, "not_at": not_at or {}}
