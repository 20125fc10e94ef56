"""Which region an install is at home in, and where it turns when that one is lost.

Answers carry names and never URLs: a server that lies can send an app to another of its own regions, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

LOST_AFTER: Final = 60.0
LOST_ATTEMPTS: Final = 3
"""Seconds without an answer, and attempts in that time, after which another region is asked."""

ENROL_ELSEWHERE_AFTER: Final = 600.0
"""Seconds without an answer of home after which ``unknown-key`` of another region counts: until then the key may only
not have reached it."""


def known_regions(built_in: Mapping[str, str], from_policy: Mapping[str, str]) -> dict[str, str]:
    """Verifiers by region, those that are built in first: the client policy adds to them and changes none."""
    return {**built_in, **{name: url for name, url in from_policy.items() if name not in built_in}}


def asked_in_turn(regions: Sequence[str], home: str, turn: int) -> str:
    """The region to ask at the ``turn``-th attempt (0 …) since home was lost: each after the other, home among them, as
    it may be back."""
    at = regions.index(home)
    others = (*regions[at + 1 :], *regions[:at])
    return (*others, home)[turn % len(regions)]


class HomeWatch:
    """Since when home gives no answer, or a fault of its own. Times are seconds of a clock that is never set."""

    def __init__(self) -> None:
        self._silent_since: float | None = None
        self._attempts = 0

    def answered(self) -> None:
        """Home gave an answer that is no fault of its own."""
        self._silent_since, self._attempts = None, 0

    def failed(self, now: float) -> None:
        """Home gave no answer, or a 5xx."""
        self._attempts += 1
        if self._silent_since is None:
            self._silent_since = now

    def is_lost(self, now: float) -> bool:
        """Whether another region may be asked to renew."""
        return self._attempts >= LOST_ATTEMPTS and self._silent_for(now) >= LOST_AFTER

    def unknown_key_counts(self, now: float) -> bool:
        """Whether ``404 unknown-key`` of another region means to enrol there."""
        return self._silent_for(now) >= ENROL_ELSEWHERE_AFTER

    def _silent_for(self, now: float) -> float:
        return 0.0 if self._silent_since is None else now - self._silent_since
