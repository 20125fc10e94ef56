"""Names of regions, and what lies in tables that all of them share."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile("[a-z0-9-]{1,32}")

REPLICATED: Final = (
    "apps",
    "builds",
    "apis",
    "policies",
    "attested_keys",
    "revocations",
    "signing_keys",
    "fact_keys",
    "app_secrets",
    "runtime_secrets",
    "webhooks",
    "audit",
)
"""Short names of the tables that are global tables in a stack of several regions: a row that is written in one region
reaches the others within about a second, and of two writes to one row the later wins. All other tables are each
region's own: spent nonces above all, since a condition is judged in one region alone (docs/regions.md)."""


def is_region_name(text: object) -> bool:
    """Whether ``text`` may name a region; an AWS region's name is usual."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def region_name_or_none(text: str) -> str:
    """The name of a region, or empty in a stack of one region. Raises :class:`ValueError`."""
    if text and not is_region_name(text):
        raise ValueError("must be empty or at most 32 small letters, digits and hyphens")
    return text
