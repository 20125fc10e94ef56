"""Entity tags (RFC 9110 §8.8.3): an answer that the caller has already is not sent again."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_LONGEST: Final = 1024
"""Characters of an If-None-Match that are looked at: some thirty tags of ours."""


def entity_tag(content: str) -> str:
    """A strong tag: two answers have the same one only if they are the same, octet for octet."""
    return f'"{sha256(content.encode("utf-8")).hexdigest()[:32]}"'


def names_tag(if_none_match: str, tag: str) -> bool:
    """Whether If-None-Match names the tag; weak comparison (RFC 9110 §13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    return tag in (candidate.strip().removeprefix("W/") for candidate in if_none_match[:_LONGEST].split(","))
