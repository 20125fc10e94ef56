"""SHA-256 digests as vendors spell them: each spelling of the same 32 octets, and nothing else."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from attestation.encoding.digest_text import sha256_of

DIGEST = sha256(b"certificate").digest()
STANDARD = base64.b64encode(DIGEST).decode("ascii")
URL_SAFE = base64.urlsafe_b64encode(DIGEST).decode("ascii")


@pytest.mark.parametrize(
    "text",
    [
        DIGEST.hex(),
        DIGEST.hex().upper(),
        DIGEST.hex(":"),
        DIGEST.hex(":").upper(),
        STANDARD,
        STANDARD.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
    ],
)
def test_every_spelling_is_the_same_digest(text: str) -> None:
    """Hexadecimal with colons or without, base64 of either alphabet, padded or not."""
    assert sha256_of(text) == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        None,
        DIGEST,
        "",
        DIGEST[:31].hex(),
        DIGEST.hex() + "00",
        DIGEST.hex()[:-2] + "  ",
        "g" + DIGEST.hex()[1:],
        base64.b64encode(DIGEST[:31]).decode("ascii"),
        base64.b64encode(DIGEST + b"a").decode("ascii"),
        STANDARD[:20] + "\n" + STANDARD[20:],
        STANDARD[:20] + "*" + STANDARD[20:],
        STANDARD[:20] + "=" + STANDARD[20:],
        STANDARD[:-2] + chr(ord(STANDARD[-2]) + 1) + "=",
        STANDARD + STANDARD,
        "\u0660" * 64,
        "A" * 4000,
    ],
)
def test_anything_else_is_no_digest(text: object) -> None:
    """Other lengths, other characters, unused bits: one spelling per alphabet."""
    assert sha256_of(text) is None
