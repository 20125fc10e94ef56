"""What another product's token is worth, and how that compares with ours: closed words, for logs and reports."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Any, NamedTuple


@unique
class Their(StrEnum):
    """Why the other product's token holds, or does not."""

    VERIFIED = "verified"
    MISSING = "missing"
    MALFORMED = "malformed"  # also: none, an HMAC with a public key, a key brought along, two headers
    SIGNATURE = "signature"  # also: a kid that the feed does not have
    OTHER_PROJECT = "other-project"
    OTHER_APP = "other-app"
    EXPIRED = "expired"
    KEYS_MISSING = "keys-missing"  # the trust bundle has no keys of theirs: nothing is known, and nothing let in


@unique
class Comparison(StrEnum):
    """Which of the two would let a request in. ``UNKNOWN``: theirs cannot be judged now."""

    BOTH = "both"
    OURS_ONLY = "ours-only"
    THEIRS_ONLY = "theirs-only"
    NEITHER = "neither"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """What their token is worth; ``subject`` is the app or device that a verified one names."""

    reason: Their
    subject: str = ""

    @property
    def holds(self) -> bool:
        """Whether their own check would take it."""
        return self.reason is Their.VERIFIED


def compared(ours: bool, theirs: Verdict) -> Comparison:
    """Ours beside theirs."""
    if theirs.reason is Their.KEYS_MISSING:
        return Comparison.UNKNOWN
    if ours:
        return Comparison.BOTH if theirs.holds else Comparison.OURS_ONLY
    return Comparison.THEIRS_ONLY if theirs.holds else Comparison.NEITHER


def alive(claims: Mapping[str, Any], now: float, skew: float) -> Their:
    """Whether ``exp`` is ahead, and ``iat`` and ``nbf``, where they are said, are not."""
    end: Any = claims.get("exp")
    begins = [claims[name] for name in ("iat", "nbf") if name in claims]
    if type(end) not in (int, float) or not all(type(begin) in (int, float) for begin in begins):
        return Their.MALFORMED
    if end + skew <= now or any(begin - skew > now for begin in begins):
        return Their.EXPIRED
    return Their.VERIFIED
