"""By how much the phone's clock is wrong, from the ``Date`` of an answer.

For the times of proofs and of signed documents; the life of a token is counted by a clock that is never set. ``Date``
is only as good as the connection: it is taken from answers over TLS of the verifier, and of a guarded API's 401.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

LONGEST_EXCHANGE: Final = 10.0
"""Seconds: the time of a slower exchange says too little about any moment."""

UNNOTICED: Final = 2.0
"""Seconds below which a clock counts as right: ``Date`` has whole seconds."""

BOUND: Final = 86_400.0
"""Seconds beyond which an offset is not applied: the user must set the clock, for certificates do not hold either."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT\Z"
)


class ClockTooWrong(Exception):
    """The clock is off by more than :data:`BOUND`."""


def date_seconds(date: str) -> float | None:
    """An IMF-fixdate (RFC 9110 §5.6.7) in Unix seconds; ``None`` for anything else, its obsolete forms too."""
    match = _DATE.match(date)
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:  # the 30th of February, a leap second
        return None
    return moment.timestamp()


def clock_offset(date: str | None, *, sent_at: float, received_at: float) -> float | None:
    """Seconds to add to the local clock: ``Date`` less the local time in the middle of the exchange.

    ``sent_at`` and ``received_at`` are the local clock's Unix seconds. ``None`` leaves what is known: no date that can
    be read, an exchange that took too long or seems to have run backwards. Raises :class:`ClockTooWrong`.
    """
    theirs = None if date is None else date_seconds(date)
    if theirs is None or not 0 <= received_at - sent_at <= LONGEST_EXCHANGE:
        return None
    offset = theirs - (sent_at + received_at) / 2
    if abs(offset) > BOUND:
        raise ClockTooWrong
    return 0.0 if abs(offset) < UNNOTICED else offset
