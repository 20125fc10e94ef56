"""Approov tokens: HS256 by a secret that the account shares with its backends, and ``exp``; ``did`` names the device.

For backends alone: a holder of the secret can make such tokens, so it has no place in an authorizer.
"""

from __future__ import annotations

import hmac
from typing import Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import read_foreign_token
from bonafide_tokens.foreign.verdict import Their, Verdict, alive

_ALGORITHMS: Final = frozenset({"HS256"})
LEAST_SECRET: Final = 32
"""Bytes that a secret must have (RFC 7518 §3.2)."""


def verify_approov(token: str, *, secret: bytes, now: float, skew: float = 5.0) -> Verdict:
    """What ``token`` is worth at ``now`` (Unix seconds). Never raises."""
    try:
        read = read_foreign_token(token, algorithms=_ALGORITHMS, kid_needed=False)
    except TokenError:
        return Verdict(Their.MALFORMED)
    if not hmac.compare_digest(hmac.digest(secret, read.signing_input, "sha256"), read.signature):
        return Verdict(Their.SIGNATURE)
    device = read.claims.get("did", "")
    return Verdict(alive(read.claims, now, skew), device if type(device) is str else "")
