"""A signed client policy that every device takes, and what a lying server would offer in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attestation.client_policy import CLIENT_POLICY_TYPE, SignedClientPolicy, sign_client_policy
from bonafide_tokens.signing import es256_sign

from tests.unit.gate.stand import APP, ISSUER, NOW, assembled, key_management_service, parts, private_key

DOCUMENT: Mapping[str, object] = {"format": 1, "refresh_seconds": 900}


def policy(**changes: Any) -> SignedClientPolicy:
    """Version 7 of the stand's app, with ``changes``."""
    usual = SignedClientPolicy(issuer=ISSUER, app=APP, version=7, issued_at=NOW - 60, document=DOCUMENT)
    return usual._replace(**changes)


def signed(client_policy: SignedClientPolicy | None = None, *, by: str = "root") -> str:
    """The policy as a JWS."""
    return sign_client_policy(client_policy or policy(), sign=key_management_service(by))


HEADER, CLAIMS = parts(signed())
assert HEADER == {"alg": "ES256", "typ": CLIENT_POLICY_TYPE}


def forged(
    header: Mapping[str, object] | None = None, claims: Mapping[str, object] | None = None, by: str = "root"
) -> str:
    """A JWS with other header members or claims, truly signed by the key called ``by``."""
    return assembled(
        HEADER | dict(header or {}), CLAIMS | dict(claims or {}), lambda text: es256_sign(private_key(by), text)
    )
