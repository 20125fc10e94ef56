"""Whether a challenge that is at hand is still worth using."""

from __future__ import annotations

from typing import Final, NamedTuple

OLDEST: Final = 240.0
"""Seconds: a stack's challenges live for 300, unless it says otherwise."""

_SHARE: Final = 0.8


class HeldChallenge(NamedTuple):
    """A challenge, to be used once. ``got_at`` is in seconds of a clock that is never set; ``expires_in`` what
    ``POST /v1/challenges`` said of its life; for a ``next_challenge`` what it said last, ``None`` where it never did.
    """

    challenge: str
    got_at: float
    expires_in: int | None = None

    def usable(self, now: float) -> bool:
        """Whether to use it and not to ask for another."""
        life = OLDEST if self.expires_in is None else _SHARE * self.expires_in
        return bool(self.challenge) and now - self.got_at <= life
