"""Root sets as a stack keeps them, and the signed transition from one to the next (docs/wire-contract.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import EcPublicKey, b64url_decode, b64url_encode, es256_matches
from bonafide_tokens.signing import es256_from_der, jws_signing_input
from bonafide_tokens.trust_bundle import root_public_key

ROOT_SET_TYPE: Final = "bonafide-root-set+jwt"

Sign = Callable[[bytes], bytes]
"""Gets a SHA-256 digest, returns a DER signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRootSet:
    """A version of the root set: its ``roots`` as texts, who made it and why, when (Unix seconds), and ``jws``, the
    transition to it. The first set has no transition, for apps are built with it, and neither has a proposal."""

    version: int
    roots: tuple[str, ...]
    by: str
    why: str
    at: int
    jws: str = ""

    def public_keys(self) -> tuple[EcPublicKey, ...]:
        """Its roots as keys."""
        return tuple(map(root_public_key, self.roots))

    def to_record(self) -> dict[str, object]:
        """JSON-ready, for operators."""
        return {
            "version": self.version,
            "roots": list(self.roots),
            "by": self.by,
            "why": self.why,
            "at": self.at,
            "transition": self.jws,
        }


def sign_root_set(version: int, roots: Iterable[EcPublicKey], *, issuer: str, now: float, sign: Sign) -> str:
    """The transition to ``version`` as a compact JWS. ``sign`` is a root's of the set before."""
    claims = {"iss": issuer, "version": version, "iat": int(now), "roots": [root.to_jwk() for root in roots]}
    return _signed(jws_signing_input({"alg": "ES256", "typ": ROOT_SET_TYPE}, claims), sign)


def sign_anew(jws: str, sign: Sign) -> str:
    """The same document, byte for byte, under another root's signature: apps that hold it take it for the same."""
    return _signed(jws.rpartition(".")[0], sign)


def signer_of(jws: str, roots: Iterable[EcPublicKey]) -> EcPublicKey | None:
    """Which of the ``roots`` signed a document of ours; ``None`` for another key, and for what is no JWS."""
    text, _, signature = jws.rpartition(".")
    try:
        read = b64url_decode(signature)
    except Malformed:
        return None
    if not text.isascii():
        return None
    return next((root for root in roots if es256_matches(root, text.encode("ascii"), read)), None)


def _signed(text: str, sign: Sign) -> str:
    return f"{text}.{b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"
