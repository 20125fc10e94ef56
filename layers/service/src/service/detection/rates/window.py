"""What a tally detector is shown of an app each minute, and what of it the runner reads.

The runner reads the tallies' rows once for all detectors: minutes for what happens now, hours to learn from. Buckets of
an hour have room for 64 cells, which a busy app fills in a minute, so facts (builds, models) are counted from minutes,
and hours give totals by reason. The newest bucket of either length still grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.tallies.rows import TallyRow

SOURCES: Final = ("enrol", "renew", "signal", "authorize", "beacon")
"""Whose rows detectors look at."""
MINUTES: Final = 15
"""How many buckets of a minute are shown, the newest included."""
HOURS: Final = 3
"""How many buckets of an hour are shown, the newest included: a runner that was down for two misses none."""
ALL_APPS: Final = ""
"""The app of a window over all registered apps."""

_SHOWN: Final = {60: MINUTES, 3_600: HOURS}


class Span(NamedTuple):
    """Buckets of ``step`` seconds that begin in [since, until): one call of ``Tallies.rows``."""

    step: int
    since: int
    until: int


def spans(now: float) -> tuple[Span, ...]:
    """What the runner reads of each app and of all :data:`SOURCES` for a look at ``now`` (Unix seconds)."""
    return tuple(
        Span(step, (int(now) // step - count + 1) * step, (int(now) // step + 1) * step)
        for step, count in _SHOWN.items()
    )


class VendorSeen(NamedTuple):
    """How a vendor's service does, as the view tells: ``service.view.vendor_health.Vendor`` without its age. ``name``
    is one of ``google-status-list``, ``play-decode``, ``apple``, ``huawei``, and ``apple-fraud-metric`` for Apple's
    answers to receipts; ``state`` is ``ok``, ``late``, ``failing`` or ``unknown``."""

    name: str
    state: str
    detail: str = ""


class KnownBuild(NamedTuple):
    """A build that the app's owner registered. ``platform`` is ``apple``, ``android`` or ``harmony``, as the table of
    builds names it."""

    platform: str
    build: str


def no_slot(_detector: str, _slot: str) -> bytes | None:
    """There is none: for runs without population detectors."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyWindow:
    """The rows of one app, or of all of them (:data:`ALL_APPS`), as they were read at ``now``.

    ``minutes`` and ``hours`` have, by source, the rows of :func:`spans` in order of time; a bucket in which nothing was
    counted has none. With all apps there is one for each app. ``builds`` has the registered builds with the times of
    their registration (Unix seconds). ``vendors`` is shown with all apps only. ``slot`` reads the state that a
    population detector keeps for this app, by the detector's name and the slot's; ``None`` where there is none. It is
    asked for a handful of slots, when something is about to be found, and may raise
    :class:`~service.errors.Unavailable`.
    """

    app: str
    now: float
    minutes: Mapping[str, Sequence[TallyRow]] = field(default_factory=dict)
    hours: Mapping[str, Sequence[TallyRow]] = field(default_factory=dict)
    builds: Mapping[KnownBuild, float] = field(default_factory=dict)
    vendors: Sequence[VendorSeen] = ()
    slot: Callable[[str, str], bytes | None] = no_slot


def window_of(
    app: str,
    rows: Iterable[TallyRow],
    now: float,
    *,
    builds: Mapping[KnownBuild, float] | None = None,
    vendors: Sequence[VendorSeen] = (),
    slot: Callable[[str, str], bytes | None] = no_slot,
) -> TallyWindow:
    """The window of an app at ``now`` from the rows that were read for it, of both lengths and all sources."""
    by_step: dict[int, dict[str, list[TallyRow]]] = {step: {} for step in _SHOWN}
    for row in sorted(rows, key=lambda row: row.at):
        by_step[row.step].setdefault(row.source, []).append(row)
    minutes, hours = by_step.values()
    return TallyWindow(app=app, now=now, minutes=minutes, hours=hours, builds=builds or {}, vendors=vendors, slot=slot)
