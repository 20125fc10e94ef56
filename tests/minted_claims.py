"""How tests make claims: facts of the test's own choice, as if a verifier had found them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from attestation.claims import Claims
from attestation.seal import Seal

minted_claims: Final = partial(Claims, seal=Seal.MADE_UP)
"""Claims with the facts given by name."""


def changed_claims(claims: Claims, **facts: Any) -> Claims:
    """The same claims with other facts."""
    return replace(claims, seal=Seal.MADE_UP, **facts)
