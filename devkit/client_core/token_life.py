"""How long a token is used, and when the next one is due. Seconds since the request that brought it was *sent*, by a
clock that is never set: so a slow answer shortens the life of a token and never lengthens it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

SHORTEST: Final = 30
LONGEST: Final = 86_400
"""Seconds: what an answer may say of a token's life. A life outside of it is clamped."""

LAST: Final = 5
"""Seconds before its end from which on requests wait for the next token."""

_EARLIEST_SHARE: Final = 0.7
_SPREAD: Final = 0.1


class Unusable(Exception):
    """The answer brings no token that can be used. To be treated as no answer."""


class TokenLife(NamedTuple):
    """A token lives ``seconds``; the point of its renewal is drawn evenly from ``renew_from`` to ``renew_until``."""

    seconds: int
    renew_from: float
    renew_until: float

    @property
    def requests_wait_from(self) -> int:
        """From then on requests wait for the renewal."""
        return self.seconds - LAST


def token_life(answer: Mapping[str, object]) -> TokenLife:
    """The life of the token that an attestation's or a renewal's ``answer`` brings.

    ``renew_after`` lets the stack pace renewals; it never keeps one beyond the point from which requests wait.
    Raises :class:`Unusable` where the token, ``expires_in``, ``renew_after`` or ``next_challenge`` is of another type.
    """
    token, challenge = answer.get("token"), answer.get("next_challenge", "")
    if type(token) is not str or not token or type(challenge) is not str:
        raise Unusable
    seconds = min(LONGEST, max(SHORTEST, _whole(answer.get("expires_in"))))
    from_share = _EARLIEST_SHARE * seconds
    if "renew_after" in answer:
        from_share = max(from_share, min(seconds - LAST, max(1, _whole(answer["renew_after"]))))
    return TokenLife(seconds, from_share, max(from_share, min(from_share + _SPREAD * seconds, seconds - LAST)))


def _whole(value: object) -> int:
    if type(value) is not int:
        raise Unusable
    return value
