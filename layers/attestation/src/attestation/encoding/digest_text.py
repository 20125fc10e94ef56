"""SHA-256 digests as vendors write them in verdicts: each in another spelling, and not always the documented one."""

from __future__ import annotations

import binascii
from typing import Final

_OCTETS: Final = 32
_MAX_CHARACTERS: Final = 128


def sha256_of(text: object) -> bytes | None:
    """The digest that ``text`` spells in hexadecimal, with colons or without, or in base64 of either alphabet, padded
    or not; ``None`` for anything else."""
    if not isinstance(text, str) or len(text) > _MAX_CHARACTERS or not text.isascii():
        return None
    digits = text.replace(":", "")
    try:
        if len(digits) == 2 * _OCTETS:
            data = bytes.fromhex(digits)  # which passes over blanks
            return data if len(data) == _OCTETS else None
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        padded = standard + "=" * (-len(standard) % 4)
        data = binascii.a2b_base64(padded)
    except ValueError:
        return None
    # One spelling per alphabet: no other characters, and unused bits are zero.
    spelled = binascii.b2a_base64(data, newline=False).decode("ascii")
    return data if len(data) == _OCTETS and spelled == padded else None
