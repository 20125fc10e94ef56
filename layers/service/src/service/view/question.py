"""What is asked of the view: a window of time on a grid of buckets, and filters; all of it bounded.

A window that goes on (no ``until``) moves in hops of :data:`HOP` seconds, or of one bucket where that is longer. Within
a hop the same question about the same counts has the same answer, octet for octet, however often a console asks: that
is what makes 304 possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.tallies.rows import Cell
from service.view.dimensions import DIMENSIONS, SOURCES, knows, lacks_facts, value_of

MOST_POINTS: Final = 900
HOP: Final = 10
SPAN: Final = 900
"""Seconds of a window that names no beginning."""

SHORT: Final = 60
"""Seconds up to which a window begins where it was asked to, and not with a hop."""

STEPS: Final = (2, 60, 3600)
_DAY: Final = 86_400
KEPT: Final = {2: 2 * _DAY, 60: 15 * _DAY}
"""For how many seconds buckets are kept; those of an hour for as long as a setting says."""

FINE: Final = 1_800
"""Longest window, in seconds, whose buckets are of 2 s without being asked for."""

CAUSES_FINE: Final = 300
"""Longest window, in seconds, whose causes are counted from buckets of 2 s: longer ones would read thirty times what
buckets of a minute hold."""

LOOK_BACK: Final = 7 * _DAY
"""Seconds before a window in which a cause is looked for: 168 rows of a source."""

_LATEST: Final = 1 << 40
_Time = Annotated[int, Field(ge=1, le=_LATEST, strict=False)]
Text = Annotated[str, Field(max_length=200)]
"""A fact that is asked for."""

_Step = Annotated[
    Literal[2, 60, 3600], BeforeValidator(lambda text: int(text) if text in {"2", "60", "3600"} else text)
]


class BadQuestion(Exception):
    """The window cannot be had. ``member`` is the query's, ``sentence`` what to do."""

    def __init__(self, member: str, sentence: str) -> None:
        super().__init__(sentence)
        self.member = member
        self.sentence = sentence


class WindowQuery(RequestModel):
    """Which window of an app's tallies. Times are Unix seconds."""

    app: App | Literal["-"]
    since: _Time | None = None
    until: _Time | None = None
    step: _Step | None = None


class ViewQuery(WindowQuery):
    """GET /admin/apps/{app}/view. A filter holds for exactly this text, which may be empty; a source that does not know
    a filter's fact is left out. The app ``-`` is what came for none that is registered, and at the gate what had no
    token that names one. The environment ``test`` is what came with test passes, and nothing else is."""

    source: Literal["enrol", "renew", "signal", "secret", "authorize", "challenge", "beacon"] | None = None
    outcome: Annotated[str, Field(max_length=40)] | None = None
    why: Text | None = None
    platform: Text | None = None
    build: Text | None = None
    os: Text | None = None
    model: Text | None = None
    country: Text | None = None
    route: Annotated[str, Field(max_length=500)] | None = None
    environment: Literal["test"] | None = None

    @property
    def counted_app(self) -> str:
        """Under which app the decisions asked for are counted: those of test passes apart from all others."""
        return f"{self.app}@{self.environment}" if self.environment else self.app


class CausesQuery(ViewQuery):
    """GET /admin/apps/{app}/view/causes. ``by``: up to three dimensions, with commas between."""

    by: Annotated[str, Field(min_length=1, max_length=60)] = "why"
    limit: Annotated[int, Field(ge=1, le=500, strict=False)] = 100


@dataclass(frozen=True, slots=True)
class Window:
    """Buckets of ``step`` seconds from ``since`` to before ``until``. ``hop`` is where the newest hop of a window that
    goes on begins: what is younger may still be counted. It is ``until`` for a window that is over."""

    since: int
    until: int
    step: int
    hop: int

    @property
    def at(self) -> range:
        """The beginning of each bucket."""
        return range(self.since, self.until, self.step)

    @property
    def before(self) -> Window:
        """The same time before, which changes are told against: the span just before, as trouble begins from one
        minute to the next; beyond an hour the same time of the day before (or of as many days before as it takes),
        because nights are compared with nights."""
        span = self.until - self.since
        shift = span if span <= 3600 else -(-span // _DAY) * _DAY
        return Window(self.since - shift, self.until - shift, self.step, self.until - shift)

    def coarser(self, step: int) -> Window:
        """The window on a coarser grid, of the same length where that fits."""
        if step <= self.step:
            return self
        since = _down(self.since, step)
        return Window(
            since, since + _up(self.until - self.since, step), step, since + _up(self.until - self.since, step)
        )


@dataclass(frozen=True, slots=True)
class Filters:
    """Which decisions count. ``facts`` by dimension, ``why`` among them."""

    source: str | None = None
    outcome: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that know all facts asked for."""
        named = SOURCES if self.source is None else (self.source,)
        return tuple(source for source in named if all(knows(source, name) for name in self.facts))

    def takes_outcome(self, outcome: str) -> bool:
        """Whether decisions of this outcome count."""
        return self.outcome is None or outcome == self.outcome

    def takes(self, source: str, cell: Cell) -> bool:
        """Whether the decisions of a cell count."""
        if not self.facts:
            return self.takes_outcome(cell.outcome)
        return self.takes_outcome(cell.outcome) and all(
            value_of(source, cell, name) == wanted for name, wanted in self.facts.items()
        )

    def takes_reason(self, outcome: str, why: str) -> bool:
        """Whether decisions of which only outcome and reason are known may count."""
        return self.takes_outcome(outcome) and self.facts.get("why", why) == why

    @property
    def asks_reason_alone(self) -> bool:
        """Whether the reason is the only fact that is asked for."""
        return self.facts.keys() == {"why"}

    def may_miss(self, source: str, cell: Cell) -> bool:
        """Whether nothing says if the decisions of a cell would count: their facts were not kept."""
        return (
            bool(self.facts)
            and self.takes_outcome(cell.outcome)
            and any(lacks_facts(source, cell, name) for name in self.facts)
        )


def filters_of(query: ViewQuery) -> Filters:
    """The filters of a query."""
    names = (name for name in DIMENSIONS if name != "source")
    facts = {name: given for name in names if (given := getattr(query, name)) is not None}
    return Filters(query.source, query.outcome, facts)


def dimensions_of(query: CausesQuery) -> tuple[str, ...]:
    """What causes are told apart by. Raises :class:`BadQuestion`."""
    names = tuple(query.by.split(","))
    if not set(names) <= set(DIMENSIONS) or len(set(names)) < len(names) or len(names) > 3:
        raise BadQuestion("by", f"Up to three different ones of {', '.join(DIMENSIONS)}, with commas between.")
    return names


def window_of(query: WindowQuery, now: float, *, fine: int = FINE) -> Window:
    """The window that a query asks for at ``now`` (Unix seconds). ``fine``: the longest span that has buckets of 2 s
    without being asked for them. Raises :class:`BadQuestion`."""
    moment = int(now)
    if query.since is not None and query.since >= moment:
        raise BadQuestion("since", "The window begins in the future.")
    if query.until is not None and query.until <= (query.since or query.until - SPAN):
        raise BadQuestion("until", "The window ends before it begins.")
    end = moment if query.until is None else min(query.until, moment)
    begin = end - SPAN if query.since is None else query.since
    if begin < 0:
        raise BadQuestion("until", "The window begins before 1970.")
    step = query.step or _step_for(begin, end, moment, fine)
    if moment - begin > KEPT.get(step, moment):
        kept = f"Buckets of {step} s are kept for {KEPT[step] // _DAY} days."
        raise BadQuestion("step", f"{kept} Ask for longer steps, or for a later window.")
    hop = max(HOP, step)
    until = _up(end, step) if query.until is not None and query.until <= moment - hop else _up(moment + 1, hop)
    # A short window is looked at for its very beginning; of a longer one the beginning stays, too, while a hop lasts.
    grain = hop if until > moment and end - begin > SHORT else step
    since = until - _up(SPAN, step) if query.since is None else _down(begin, grain)
    if (until - since) // step > MOST_POINTS:
        raise BadQuestion(
            "step" if query.step else "since",
            f"That is {(until - since) // step} buckets of {step} s; {MOST_POINTS} are the most. Ask for a shorter "
            f"window, or for longer steps of {', '.join(map(str, STEPS[:-1]))} or {STEPS[-1]} s.",
        )
    return Window(since, until, step, until - hop if until > moment else until)


def _step_for(begin: int, end: int, now: int, fine: int) -> int:
    """The finest step whose buckets are still there, and are few enough with a hop more at either end."""
    for step in STEPS[:-1]:
        longest = MOST_POINTS * step - 2 * max(HOP, step)
        if end - begin <= (min(longest, fine) if step == STEPS[0] else longest) and now - begin < KEPT[step] - _DAY:
            return step
    return STEPS[-1]


def _down(moment: int, step: int) -> int:
    return moment // step * step


def _up(moment: int, step: int) -> int:
    return -(-moment // step) * step


def earlier_spans(window: Window) -> tuple[Window, ...]:
    """What is looked through, beside the window and the time before, for when something was first seen: hours, and the
    minutes of the hour in which the window begins."""
    hour = _down(window.since, 3600)
    hours = Window(hour - LOOK_BACK, hour, 3600, hour)
    minute = _down(window.since, 60)
    return (hours,) if minute == hour else (hours, Window(hour, minute, 60, minute))
