"""Secrets of webhooks, as Standard Webhooks writes them."""

from __future__ import annotations

import base64
import secrets
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""The specification asks for 24 to 64."""


def new_secret() -> bytes:
    """A secret that no one has seen."""
    return secrets.token_bytes(SECRET_BYTES)


def written(secret: bytes) -> str:
    """A secret as receivers are told it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secret).decode("ascii")
