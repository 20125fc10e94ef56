"""A publication that is paced: which older tokens it refuses at once, and until when it lets each other one through.

A policy that takes effect at once sets the app's not-before, and every token from before must be renewed. A gate cannot
know whom the new policy condemns, so a publication may say what it can: predicates over what tokens say, and keys.
What they match is refused at once. The rest is refused over ``seconds``, each key at a moment of its own, so that
renewals come spread. Authorizers that do not know of this refuse all of them at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bonafide_tokens import jose
from bonafide_tokens.errors import Malformed

if TYPE_CHECKING:
    from bonafide_tokens.token import VerifiedToken

MAX_PACED: Final = 4
"""Most paced publications of an app whose grace has not ended."""

MAX_SECONDS: Final = 3_600
BOUNDS: Final = frozenset({"app_build_below", "policy_version_below", "issued_before"})
"""Members of a predicate that are a number: the token says a lower one. The others are lists of texts, of which the
token says one. What a token does not say, or not as a number, does not save it."""

MEMBERS: Final[dict[str, Callable[[VerifiedToken, Any], bool]]] = {
    "platform": lambda token, wanted: token.platform in wanted,
    "tier": lambda token, wanted: token.tier in wanted,
    "app_build": lambda token, wanted: not token.app_build or token.app_build in wanted,
    "app_build_below": lambda token, below: (
        not (token.app_build or "").encode().isdigit() or int(token.app_build or 0) < below
    ),
    "policy_version_below": lambda token, wanted: token.policy_version < wanted,
    "issued_before": lambda token, wanted: token.issued_at < wanted,
}
"""Members of a predicate, and whether each holds for a token."""

_ENTRY: Final = ("from", "after", "seconds", "at_once", "keys")
Predicate = dict[str, Any]
"""Some of :data:`MEMBERS`; a token that all of them hold for is refused at once."""


class Paced(NamedTuple):
    """One paced publication.

    ``start`` (Unix seconds) is the not-before that it softens, ``after`` the one that held before: it says nothing of
    tokens that were refused already. ``seconds`` is the grace, ``at_once`` the predicates, ``keys`` the
    :func:`key_prefix` of each key, that are refused at ``start``.
    """

    start: int
    after: int
    seconds: int
    at_once: tuple[Predicate, ...] = ()
    keys: frozenset[int] = frozenset()

    def lets_through(self, token: VerifiedToken, now: float) -> bool:
        """Whether a token from before ``start`` still counts at ``now`` (Unix seconds)."""
        if now >= refused_from(token.key_id, self.start, self.seconds) or key_prefix(token.key_id) in self.keys:
            return False
        return not any(all(MEMBERS[name](token, said) for name, said in each.items()) for each in self.at_once)

    def is_readable(self) -> bool:
        """Whether authorizers read an entry that says this."""
        return (
            all(type(number) is int for number in self[:3])
            and 0 <= self.after < self.start < 1 << 53
            and 1 <= self.seconds <= MAX_SECONDS
            and len(self.at_once) + len(self.keys) > 0
            and all(type(each) is dict and each and all(map(_can_hold, each, each.values())) for each in self.at_once)
        )


def cohort(key_id: str, start: int) -> float:
    """Where a key stands in the order of a publication, 0 up to and without 1: the same at every gate, another one for
    every publication, and not to be known before it."""
    return (key_prefix(key_id, start.to_bytes(8)) >> 11) / (1 << 53)  # 53 bits: no more, a float would round up to 1


def refused_from(key_id: str, start: int, seconds: int) -> float:
    """From which moment (Unix seconds) tokens of a key from before ``start`` are refused, if nothing names them."""
    return start + cohort(key_id, start) * seconds


def key_prefix(key_id: str, more: bytes = b"") -> int:
    """By what a publication names a key: the first 8 bytes of SHA-256 of its key_id (and ``more``). Of 10⁸ keys, 50,000
    that are named share theirs with another one once in four million publications; that one would renew early."""
    return int.from_bytes(sha256(key_id.encode("utf-8") + more).digest()[:8])


def read_paced(listed: object) -> tuple[Paced, ...]:
    """The member ``paced`` of an app's status. What cannot be read to the end, or is more than may be, is left out:
    the not-before that it would soften then holds for all tokens at once."""
    entries = listed if type(listed) is list and len(listed) <= MAX_PACED else []
    paced = tuple(filter(None, map(_read, entries)))
    return paced if len({each.start for each in paced}) == len(paced) else ()


def _read(entry: Any) -> Paced | None:
    try:
        start, after, seconds, at_once, keys = (entry[name] for name in _ENTRY)
        packed = jose.b64url_decode(keys)
        paced = Paced(start, after, seconds, tuple(at_once), frozenset(struct.unpack(f">{len(packed) // 8}Q", packed)))
    except (AttributeError, KeyError, TypeError, ValueError, Malformed, struct.error):
        return None
    # A member that we do not know may refuse more.
    return paced if len(entry) == len(_ENTRY) and type(at_once) is list and paced.is_readable() else None


def _can_hold(name: str, wanted: object) -> bool:
    if name in BOUNDS:
        return type(wanted) is int and wanted >= 0
    return name in MEMBERS and type(wanted) is list and "" not in wanted and set(map(type, wanted)) == {str}
