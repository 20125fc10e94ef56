"""Support codes that name a request: what a refused client may quote, and an operator finds in the log.

Where there is no secret (an authorizer, a backend), a code derived from the reason could be computed for every reason
by anyone who reads this file, and would give the reason away. A code of the request id says nothing that the client
does not know already.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32, as all our support codes


def request_code(request_id: str) -> str:
    """Eight characters."""
    number = int.from_bytes(sha256(request_id.encode("utf-8", "replace")).digest()[:5])
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))
