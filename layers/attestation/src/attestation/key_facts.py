"""Facts about a key that claims of every platform may hold: where it lives, and what let it in without evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class KeyStorage(StrEnum):
    """Where the attested private key lives, as proved by the evidence (not as reported by the app)."""

    SOFTWARE = "software"
    TEE = "tee"
    STRONGBOX = "strongbox"
    SECURE_ENCLAVE = "secure-enclave"
    UNPROVED = "unproved"  # a test pass stands in for the proof


@dataclass(frozen=True, slots=True, kw_only=True)
class PassClaims:
    """What let a key in that no vendor vouches for. ``pass_id`` names the pass; ``ends_at`` (Unix seconds) is when it
    ends, and with it the key. Builds from ``least_build`` to ``most_build`` may use it; ``None`` is no bound.
    ``subject`` is the pipeline's, in the words of its CI system, where an ID token was the pass."""

    pass_id: str
    ends_at: int
    least_build: str | None = None
    most_build: str | None = None
    subject: str | None = None
