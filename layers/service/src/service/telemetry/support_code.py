"""Support codes: a refused client may quote them, and only the operator learns the reason from them.

A code is an HMAC over (reason, key id, day), so the same refusal of the same key shows the same code all day and an
operator finds it in the decision log. It is *keyed* because the reasons are few and public in the source: with a plain
hash a client would compute the code of every reason for its own key id and read off which check it tripped on.
What remains to a client is that two refusals of one key on one day had the same reason, or not.
The key is derived from the challenge-sealing key, so rotating that changes the day's codes; the log has both.
"""

from __future__ import annotations

import hmac
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O, U, so a code survives a telephone call."""

_LABEL: Final = b"bonafide support code v1"
_DAY: Final = 86_400


def support_key(sealing_key: bytes) -> bytes:
    """The key for codes, one way from the challenge-sealing key (HMAC as a PRF, RFC 5869 §2.3 with one block)."""
    return hmac.digest(sealing_key, _LABEL + b"\x01", "sha256")


def support_code(key: bytes, *, reason: str, key_id: str, now: float) -> str:
    """Eight characters, stable for (``reason``, ``key_id``, UTC day of ``now``). ``key_id`` may be empty."""
    message = "\n".join((reason, key_id, str(int(now) // _DAY)))
    number = int.from_bytes(hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256")[:5])
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))
