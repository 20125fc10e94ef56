"""What a secret may be called, in policies, client policies and requests alike, and how far its versions go."""

from __future__ import annotations

import re
from typing import Final

MAX_NAME: Final = 64
MAX_VERSION: Final = 2**53 - 1
"""The greatest version: JSON's whole numbers end there."""
NAME_PATTERN: Final = r"\A[a-z0-9]+(?:-[a-z0-9]+)*\z"
"""For schemas; without the limit on the length."""

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


def is_secret_name(text: str) -> bool:
    """Whether a secret may be called so: lower-case words with dashes, up to :data:`MAX_NAME` characters."""
    return len(text) <= MAX_NAME and _NAME.match(text) is not None
