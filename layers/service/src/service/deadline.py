"""One deadline per request, known to every call that is made for it.

A function that Lambda kills, or whose gateway stopped waiting, has not answered: what it spent is lost. So the edge
opens a deadline, and the code below it asks here: the AWS clients and :mod:`service.vendors.outbound` before every
attempt, for its timeout too, and use cases before they spend something that cannot be given back.

The deadline is that of the context (:mod:`contextvars`): a thread of its own, as for a refresh beside the request, has
none but those it opens itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic, time
from typing import Any, Final

from service.errors import Unavailable

MARGIN: Final = 0.5
"""Seconds of a function's time that stay for the answer itself: support code, log lines, Lambda's own way back."""

GATEWAY: Final = 29.0
"""Seconds after which a REST API stops waiting ("Amazon API Gateway quotas", integration timeout)."""

TO_SPEND: Final = 1.0
"""Seconds that must be left where something is spent: a write that is begun later may be carried out, and its answer
come when the caller has gone."""

_LONGEST_START: Final = 15.0
"""Seconds from the gateway's clock to ours that are believed: a cold start. More is a clock that is wrong."""

_ENDS: ContextVar[float] = ContextVar("deadline", default=math.inf)


def seconds_left() -> float:
    """Seconds until this request must be answered; negative when it is late, infinite without a deadline."""
    return _ENDS.get() - monotonic()


def require_time(what: str, seconds: float = TO_SPEND) -> None:
    """Raise :class:`~service.errors.Unavailable` unless ``seconds`` are left. Stands before what cannot be undone."""
    if seconds_left() < seconds:
        raise Unavailable(f"{what}: no time left")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """A deadline in ``seconds`` for what happens inside; never later than the one around it."""
    token = _ENDS.set(min(_ENDS.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS.reset(token)


@contextmanager
def reserving(seconds: float) -> Iterator[None]:
    """Inside, the deadline is ``seconds`` earlier: they are kept for what has to follow, whatever happens inside."""
    token = _ENDS.set(_ENDS.get() - seconds)
    try:
        yield
    finally:
        _ENDS.reset(token)


def time_of_request(event: Mapping[str, Any], context: Any) -> float:
    """Seconds that a request of API Gateway may take from now on: what Lambda has left for it, and what the gateway has
    left of :data:`GATEWAY` since it took the request, less :data:`MARGIN`."""
    return min(time_of_invocation(context), GATEWAY - _on_its_way(event) - MARGIN)


def time_of_invocation(context: Any) -> float:
    """The same for a function that no gateway waits for; infinite outside Lambda."""
    left = getattr(context, "get_remaining_time_in_millis", None)
    return math.inf if left is None else float(left()) / 1000 - MARGIN


def _on_its_way(event: Mapping[str, Any]) -> float:
    """Seconds since the gateway took the request, a cold start among them. Its clock is another one than ours: what
    cannot be true counts as nothing."""
    gateway = event.get("requestContext") if isinstance(event, Mapping) else None
    taken = gateway.get("requestTimeEpoch") if isinstance(gateway, Mapping) else None
    seconds = time() - taken / 1000 if isinstance(taken, int | float) else 0.0
    return seconds if 0 <= seconds <= _LONGEST_START else 0.0
