"""A CI system in software, in the form of GitHub Actions: anyone may have a repository at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from service.vendors.outbound import Answer, Unreachable

from tests.service_stack.memory_stack import NOW

GITHUB: Final = "https://token.actions.githubusercontent.com"
KEYS: Final = f"{GITHUB}/.well-known/jwks"
AUDIENCE: Final = "bonafide-test"
SUBJECT: Final = "repo:acme/shop:ref:refs/heads/main"

TRUSTED: Final[Mapping[str, Any]] = {
    "issuer": GITHUB,
    "jwks_uri": KEYS,
    "audience": AUDIENCE,
    "subject": "repo:acme/shop:*",
    "claims": {"repository_owner_id": "42", "repository_id": "4242"},
    "platform": "android",
}


@cache
def rsa_key(name: str = "github", bits: int = 2_048) -> rsa.RSAPrivateKey:
    """A key of that name."""
    del name
    return rsa.generate_private_key(65_537, bits)


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, str]:
    """The public JWK."""
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64url_encode(modulus), "e": "AQAB"}


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: rsa.RSAPrivateKey) -> str:
    """A JWT by RS256, whatever its header says."""
    text = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{b64url_encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@dataclass
class CiSystem:
    """Its keys as they are served, and ID tokens. ``fetched`` counts how often the keys were asked for."""

    keys: list[dict[str, str]] = field(default_factory=lambda: [rsa_jwk(rsa_key(), "k1")])
    fetched: int = 0
    down: bool = False

    def fetch(self, url: str) -> Answer:
        assert url == KEYS
        self.fetched += 1
        if self.down:
            raise Unreachable("down")
        return Answer(200, {}, json.dumps({"keys": self.keys}).encode())

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a job of the trusted repository is told of itself, with ``changes``; ``None`` takes one away."""
        told = {
            "iss": GITHUB,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "jti": "7b2f1c3a-0001",
            "iat": int(NOW) - 5,
            "nbf": int(NOW) - 305,
            "exp": int(NOW) + 295,
            "repository": "acme/shop",
            "repository_id": "4242",
            "repository_owner_id": "42",
            "workflow": "ui tests",
            **changes,
        }
        return {name: value for name, value in told.items() if value is not None}

    def token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """An ID token by the key ``k1``."""
        usual = {"typ": "JWT", "alg": "RS256", "kid": "k1", "x5t": "AAAA"}
        kept = {name: value for name, value in {**usual, **(header or {})}.items() if value is not None}
        return signed(kept, self.claims(**changes), rsa_key())
