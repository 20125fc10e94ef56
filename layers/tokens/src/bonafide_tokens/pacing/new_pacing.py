"""Paced publications as operators ask for them, and as a trust bundle spells them.

Apart from ``paced``, which an authorizer loads.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from json import dumps
from typing import Final, NamedTuple

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.pacing.paced import MAX_SECONDS, Paced, Predicate, key_prefix

MAX_KEYS: Final = 50_000
MAX_PREDICATES: Final = 16
"""Authorizers take more, too: more of either refuses more."""

MAX_PREDICATE_CHARACTERS: Final = 16_384
"""Of all predicates of a publication as JSON, so that four publications fit into a row and a trust bundle."""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


class Pacing(NamedTuple):
    """What a publication refuses at once, as predicates and keys (their :func:`key_prefix`), and over how many
    ``seconds`` it refuses the rest."""

    seconds: int
    at_once: tuple[Predicate, ...] = ()
    keys: frozenset[int] = frozenset()

    def softening(self, start: int, after: int) -> Paced:
        """The publication whose not-before is ``start``, where ``after`` held before."""
        return Paced(start, after, self.seconds, self.at_once, self.keys)

    def checked(self) -> Pacing:
        """This, when gates would read it. Raises :class:`ValueError`."""
        if not 1 <= self.seconds <= MAX_SECONDS:
            raise ValueError(f"the grace is not 1 to {MAX_SECONDS} seconds")
        if not (self.at_once or self.keys) or len(self.at_once) > MAX_PREDICATES or len(self.keys) > MAX_KEYS:
            raise ValueError(f"not 1 to {MAX_PREDICATES} predicates, or up to {MAX_KEYS:,} keys")
        if not self.softening(1, 0).is_readable():
            raise ValueError("a predicate cannot be read")
        if len(dumps(self.at_once)) > MAX_PREDICATE_CHARACTERS:
            raise ValueError(f"more than {MAX_PREDICATE_CHARACTERS:,} characters of predicates")
        return self


def prefixes_of(key_ids: Iterable[str]) -> frozenset[int]:
    """By what a publication names these keys; one that stands there twice counts once. Raises :class:`ValueError` for
    a text that is no key_id, and for too many."""
    named = set[int]()
    for number, key_id in enumerate(key_ids, 1):
        if not _KEY_ID.match(key_id):
            raise ValueError(f"key {number} is no key_id: {key_id[:60]!r}")
        named.add(key_prefix(key_id))
        if len(named) > MAX_KEYS:
            raise ValueError(f"more than {MAX_KEYS:,} keys")
    return frozenset(named)


def keys_from_text(text: str) -> frozenset[int]:
    """Prefixes as :func:`packed_keys` has them, in base64url. Raises :class:`ValueError`, also for those that are not
    sorted, or stand there twice: a list that was packed in another way is not the one that was meant."""
    try:
        packed = b64url_decode(text)
        keys = struct.unpack(f">{len(packed) // 8}Q", packed)
    except (Malformed, struct.error):
        raise ValueError("keys are not the base64url of 8 bytes each") from None
    if list(keys) != sorted(set(keys)):
        raise ValueError("keys are not sorted, or one stands there twice")
    return frozenset(keys)


def packed_keys(keys: frozenset[int]) -> bytes:
    """The prefixes, sorted, 8 bytes each."""
    return struct.pack(f">{len(keys)}Q", *sorted(keys))


def paced_to_json(paced: Paced) -> dict[str, object]:
    """One entry of a status' member ``paced``."""
    return {
        "from": paced.start,
        "after": paced.after,
        "seconds": paced.seconds,
        "at_once": [dict(predicate) for predicate in paced.at_once],
        "keys": b64url_encode(packed_keys(paced.keys)),
    }


def still_paced(entries: Iterable[Paced], not_before: float, now: float) -> tuple[Paced, ...]:
    """Those of ``entries`` that let any token through at ``now``, the latest first: from the one that softens
    ``not_before`` on, each that softens what held before the last, until one is missing or its grace is over."""
    by_start = {paced.start: paced for paced in entries}
    alive: list[Paced] = []
    moment = not_before
    while (paced := by_start.get(int(moment))) is not None and paced.after < paced.start == moment:
        if now >= paced.start + paced.seconds:
            break
        alive.append(paced)
        moment = paced.after
    return tuple(alive)
