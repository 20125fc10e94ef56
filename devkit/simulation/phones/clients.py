"""What an installed app does, for many phones at once: the rules of :mod:`devkit.client_core` over arrays.

Constants and bounds are the client's own, by import; property tests hold each function here to the one that it stands
for. A phone is an element, a time is seconds of the simulation.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devkit.client_core.challenges import OLDEST, HeldChallenge
from devkit.client_core.token_life import LAST, TokenLife, token_life
from devkit.client_core.waits import LONGEST, most_jitter
from devkit.simulation.region.stack import Wait

Floats = NDArray[np.float64]

LEVELS: Final = next(n for n in range(1, 17) if most_jitter(n) >= LONGEST)
"""Refusals in a row after which the jitter grows no more."""

PATIENCE: Final = 30.0
"""Seconds that a caller of the client library waits, unless it says otherwise (docs/wire-contract.md)."""

ENROLMENT_BYTES_LIVE: Final = 300.0
"""Seconds for which an attestation may be sent again: the life of its challenge, as the template sets it."""


@cache
def life_of(expires_in: int, renew_after: int | None = None) -> TokenLife:
    """The life of a token, by the client's own reading of an answer."""
    answer: dict[str, object] = {"token": "t", "expires_in": expires_in, "next_challenge": "c"}
    if renew_after is not None:
        answer["renew_after"] = renew_after
    return token_life(answer)


def usable_seconds(life: TokenLife) -> float:
    """Seconds after which requests wait for the next token."""
    return float(life.seconds - LAST)


def renewal_moments(life: TokenLife, drawn: Floats) -> Floats:
    """When tokens that were asked for at 0 are to be renewed, ``drawn`` evenly from 0 to 1."""
    return life.renew_from + drawn * (life.renew_until - life.renew_from)


def waits(wait: Wait, refusals: NDArray[np.int64], asked: Floats, drawn: Floats) -> Floats:
    """Seconds until each phone tries again after its ``refusals``-th refusal in a row (1 …). ``asked`` and ``drawn``
    are drawn evenly from 0 to 1."""
    most = np.array([most_jitter(n) for n in range(1, LEVELS + 1)])
    after = min(LONGEST, wait.least) + asked * (min(LONGEST, wait.most) - min(LONGEST, wait.least))
    result: Floats = after + drawn * most[np.minimum(refusals, LEVELS) - 1]
    return result


def challenge_is_usable(age: Floats) -> NDArray[np.bool_]:
    """Whether a ``next_challenge`` of these ages is used, by a client that has asked for none yet."""
    return age <= OLDEST


def challenge_share(life: TokenLife) -> float:
    """Of tokens renewed in time, the share whose ``next_challenge`` is still usable then."""
    held = HeldChallenge("c", 0.0)
    if not held.usable(life.renew_from):
        return 0.0
    if held.usable(life.renew_until):
        return 1.0
    return (OLDEST - life.renew_from) / (life.renew_until - life.renew_from)
