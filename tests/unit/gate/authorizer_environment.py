"""Environment variables of a complete authorizer."""

from __future__ import annotations

from bonafide_tokens.jose import b64url_encode

from tests.unit.gate.stand import public_key

ENVIRONMENT = {
    "TRUST_BUNDLE_URL": "https://verifier.example.com/prod/v1/trust-bundle",
    "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
    "TOKEN_ISSUER": "bonafide-prod",
    "AUDIENCE": "https://api.example.com",
}
