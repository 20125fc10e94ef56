"""Tokens and proofs that an attacker could make, and the form in which the attack tables list them."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_sign

from tests.unit.gate.stand import Call, assembled, parts, private_key, public_key, token

TOKEN = token()
THIEFS_JWK = public_key("thief").to_jwk()
HEADER, CLAIMS = parts(TOKEN)


@dataclass(frozen=True)
class Attack:
    """``change`` of a call that passes, and the one reason that must come of it."""

    name: str
    reason: str
    request_class: str
    change: dict[str, Any]


def attack(name: str, reason: str, request_class: str = "invalid", **change: Any) -> Attack:
    """One row of a table."""
    return Attack(name, reason, request_class, change)


def forged(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, *, by: str = "token") -> str:
    """A token with other header members or claims, properly signed by the named key; ``None`` drops a member."""
    return assembled(_changed(HEADER, header), _changed(CLAIMS, claims), lambda text: es256_sign(private_key(by), text))


def forged_proof(
    header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, *, by: str = "request"
) -> str:
    """A proof for the usual call with other members, properly signed by the named key."""
    usual_header, usual_claims = parts(str(Call(token=TOKEN).proof_text()))
    return assembled(
        _changed(usual_header, header), _changed(usual_claims, claims), lambda text: es256_sign(private_key(by), text)
    )


def _changed(members: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members | (changes or {})).items() if value is not None}


def hmac_token(secret: bytes) -> str:
    """The classic: HS256, with the public key that everyone knows as the secret."""
    return assembled(HEADER | {"alg": "HS256"}, CLAIMS, lambda text: hmac.digest(secret, text, "sha256"))


def raw_header(data: bytes) -> str:
    """A token whose header is these bytes."""
    return f"{b64url_encode(data)}.e30.e30"
