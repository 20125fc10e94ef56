"""What a refused client is told: the public answer to each reason, and the support code of a request."""

from __future__ import annotations

from hashlib import sha256

from bonafide_tokens.errors import Reason, Refusal


def refusal_of(reason: Reason) -> Refusal:
    """The public answer for ``reason``, for every API that takes tokens."""
    return reason.refusal


def request_code(request_id: str) -> str:
    """The support code of a request: what a refused client may quote, and an operator finds in the log.

    Where there is no secret (an authorizer, a backend), a code derived from the reason could be computed for every
    reason by anyone who reads this file, and would give the reason away. A code of the request id says nothing that
    the client does not know already. Eight characters of Crockford's base32, as all our support codes.
    """
    number = int.from_bytes(sha256(request_id.encode("utf-8", "replace")).digest()[:5])
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(35, -1, -5))
