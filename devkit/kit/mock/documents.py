"""What root keys sign: client policies and root sets, good ones and those of an attacker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any, Final

from attestation.client_policy import SignedClientPolicy, sign_client_policy
from bonafide_tokens.signing import public_key_of, sign_jws
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

ROOT_SET_TYPE: Final = "bonafide-root-set+jwt"
DOCUMENT: Final[Mapping[str, Any]] = {
    "format": 1,
    "refresh_seconds": 3600,
    "stale": {"mode": "keep-last", "after_seconds": 604_800},
    "detectors": {},
    "pins": [],
    "minimum_builds": {},
    "kill_switches": {},
    "secrets": {},
}
"""A client policy that asks for nothing, with every default written out, as publishing writes it."""


@cache
def root_key(name: str) -> ec.EllipticCurvePrivateKey:
    """The root key of that name; the same for a whole process, and for every process."""
    scalar = int.from_bytes(sha256(f"root key of the kit: {name}".encode()).digest()) >> 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def jwk(name: str) -> dict[str, str]:
    """The public half of :func:`root_key`."""
    return public_key_of(root_key(name)).to_jwk()


@dataclass(frozen=True, slots=True)
class Roots:
    """What signs for ``issuer``."""

    issuer: str

    def policy(self, version: int, document: Mapping[str, Any], *, app: str, by: str, now: float) -> str:
        """A client policy: ``document`` over :data:`DOCUMENT`, signed by the root called ``by``."""
        key = root_key(by)
        return sign_client_policy(
            SignedClientPolicy(self.issuer, app, version, now, {**DOCUMENT, **document}),
            sign=lambda digest: key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))),
        )

    def transition(self, version: int, roots: Sequence[str], *, by: str, now: float) -> str:
        """The root set of that ``version``, signed by the root called ``by``."""
        claims = {"iss": self.issuer, "version": version, "iat": int(now), "roots": [jwk(name) for name in roots]}
        return sign_jws(root_key(by), {"alg": "ES256", "typ": ROOT_SET_TYPE}, claims)
