"""Nonces that a relying party gives out for proofs, so that none can be made in advance (RFC 9449 §8 and §9).

Nothing is stored: a nonce is its own issue time, sealed for one audience by a secret that all processes of an
authorizer share. It is the same for everyone who asks in one second, and may be used by many proofs while it lives:
it proves that a proof is young, not that it is new (the ``jti`` does that). An attacker with the secret can make nonces
for any time, and so have proofs made in advance by a holder of the request key; it opens nothing else.
"""

from __future__ import annotations

import hmac
from typing import Final

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import b64url_decode, b64url_encode

NONCE_LIFETIME: Final = 300.0
"""Seconds for which a nonce may be used. A proof's own time window is shorter; an app keeps a nonce between calls."""

MIN_KEY_BYTES: Final = 32
_TIME_BYTES: Final = 6
_SEAL_BYTES: Final = 18
_PURPOSE: Final = b"bonafide proof nonce\0"


def make_nonce(*, key: bytes, audience: str, now: float) -> str:
    """A nonce for proofs made from ``now`` (Unix seconds): 32 characters of base64url."""
    issued_at = int(now).to_bytes(_TIME_BYTES)
    return b64url_encode(issued_at + _seal(key, audience, issued_at))


def nonce_holds(nonce: str, *, key: bytes, audience: str, now: float, skew: float = 5.0) -> bool:
    """Whether ``nonce`` is one of ours for ``audience`` and not older than :data:`NONCE_LIFETIME`.

    ``skew`` is how many seconds the clocks of our own processes may differ.
    """
    if len(nonce) != (_TIME_BYTES + _SEAL_BYTES) * 4 // 3:
        return False
    try:
        data = b64url_decode(nonce)
    except Malformed:
        return False
    issued_at, seal = data[:_TIME_BYTES], data[_TIME_BYTES:]
    if not hmac.compare_digest(seal, _seal(key, audience, issued_at)):
        return False
    return -skew <= now - int.from_bytes(issued_at) <= NONCE_LIFETIME


def _seal(key: bytes, audience: str, issued_at: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + issued_at + audience.encode("utf-8"), "sha256")[:_SEAL_BYTES]
