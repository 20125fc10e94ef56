"""The origin secret: by it, an API knows a request that came through the edge from one that went around it.

The edge (CloudFront) puts the secret into a header of every request to an origin, over whatever a client wrote there.
Functions and authorizer know only its SHA-256, so that a reader of their configuration cannot make the header. The
secret has 256 random bits: its hash needs no salt and no slowness.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final

HEADER: Final = "bonafide-origin-secret"


def origin_secret_hashes(text: str) -> tuple[bytes, ...]:
    """The SHA-256 of each secret that is good, from hexadecimal, separated by commas; none from empty text, which lets
    every request pass. Raises :class:`ValueError`."""
    hashes = tuple(bytes.fromhex(part.strip()) for part in text.split(",")) if text else ()
    if len(hashes) > 2 or any(len(one) != sha256().digest_size for one in hashes):
        raise ValueError("must be one or two SHA-256 hashes in hexadecimal")
    return hashes


def came_through_edge(values: Sequence[object], hashes: tuple[bytes, ...]) -> bool:
    """Whether a request with these ``values`` of the header came through the edge: it has exactly one. Every hash is
    compared, each in constant time."""
    if len(values) != 1 or not isinstance(values[0], str):
        return False
    shown = sha256(values[0].encode("utf-8", "surrogatepass")).digest()
    return sum([compare_digest(shown, known) for known in hashes]) > 0
