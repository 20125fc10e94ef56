"""A queue of installs that is kept nowhere: how many were told to come back, and when.

No row says who waits, and an app that comes back cannot be told from one that comes for the first time: all that is
known is how many asked. But *when* refused apps come back was said by us. So the queue is an account of coming seconds:
how many were told to come in each. What of a window's demand was not due is new. From both follow the chance to be
admitted now, and the earliest free seconds for those who are not (:func:`move_on`, once for each window of
:data:`WINDOW` seconds). Pure: the simulator runs it as the service does.

An app that comes back finds its second free, and is admitted at the first or second return. That matters: a client
waits longer after each refusal in a row, by jitter of its own (docs/wire-contract.md), so many short waits would add up
to more than the hour within which an install must have its token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from service.admission.status import LATEST, SOONEST, Admission

WINDOW: Final = 10
"""Seconds that are counted together."""

LONGEST: Final = 2_700
"""Seconds of the longest wait that anyone is told, at the first refusal: a second one must fit into the hour."""

HALVED: Final = 900.0
"""Seconds in which a surge of new installs is taken to halve. It is a guess, made anew each window."""

FILLED: Final = 0.9
"""Which part of a free second is given away. The rest is for those whose number was estimated wrong."""

AIM: Final = 0.9
"""Which part of the pace is aimed at, so that what was estimated wrong stays below it as well."""

HEADROOM: Final = 2.0
"""How far a process may go beyond an even part of the pace: not all meet the same demand."""

AHEAD: Final = 2
"""Windows from the one that was counted to the one for which that decides: lines must arrive, and processes read."""

LEAST_WORTH: Final = 0.05
"""Of 20 challenges at least one is taken to become an enrolment, so that the pace is never exceeded twentyfold when a
flood of strangers, who never enrol, ends."""

_SLOTS: Final = LONGEST // WINDOW
_EASES: Final = 0.3
_RISES: Final = 0.3
_FALLS: Final = 0.1


class Seen(NamedTuple):
    """What was counted of one app in one window: challenges asked for that may enrol, how many of them were refused by
    pacing, enrolments accepted, and processes that counted."""

    asked: int = 0
    refused: int = 0
    enrolled: int = 0
    processes: int = 0


class Told(NamedTuple):
    """What was published for a window that is not counted yet: how many are likely to be refused in it, and told to
    come back in the windows from ``first`` to ``last``, counted from the next one."""

    refused: float
    first: int
    last: int


class Queue(NamedTuple):
    """The account of one app after a window.

    ``newcomers`` are new apps a second, ``worth`` is the part of admitted challenges that become enrolments,
    ``returning`` how many were told to come back in each coming window, with those that :class:`Told` expects, and
    ``status`` what processes go by.
    """

    status: Admission
    newcomers: float = 0.0
    worth: float = 1.0
    returning: tuple[float, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def demand(self) -> float:
        """Apps a second that are expected in the window for which the status is."""
        return self.newcomers + _at(self.returning, AHEAD - 1) / WINDOW

    @property
    def waiting(self) -> int:
        """How many apps wait."""
        return round(sum(self.returning))


def move_on(queues: Mapping[str, Queue], seen: Mapping[str, Seen], *, pace: float) -> dict[str, Queue]:
    """The accounts of all apps after another window, in which was ``seen`` what was counted in it.

    ``pace`` is the most enrolments a second of the whole stack; where apps want more together, each gets the same, or
    all that it wants. An app of which nothing was counted and for which nothing is due is left out.
    """
    known = {app: _counted(queues.get(app), seen.get(app, Seen())) for app in {*queues, *seen}}
    known = {app: queue for app, queue in known.items() if queue.newcomers >= 0.01 or queue.returning}
    apps = sorted(known)
    paces = dict(zip(apps, divided(AIM * pace, [known[app].demand * known[app].worth for app in apps]), strict=True))
    return {app: _told(known[app], paces[app], seen.get(app, Seen()).processes) for app in apps}


def divided(pace: float, wanted: Sequence[float]) -> list[float]:
    """``pace`` among those who want something: evenly, but to none more than it wants. What is left is for all."""
    parts, left = [0.0] * len(wanted), pace
    waiting = sorted(range(len(wanted)), key=wanted.__getitem__)
    while waiting:
        least = waiting[0]
        parts[least] = min(left / len(waiting), wanted[least])
        left -= parts[least]
        waiting.pop(0)
    return [part + left / len(parts) for part in parts]


def _counted(queue: Queue | None, seen: Seen) -> Queue:
    """The account with what was counted in the window that is over."""
    if queue is None:
        queue = Queue(Admission(1.0, SOONEST, LATEST, 0.0))
    due, returning = _at(queue.returning, 0), list(queue.returning[1:])
    # Strangers do not come back, and people lose patience: what was due and did not come will not come later either.
    came = 1.0 if due < WINDOW else min(1.0, (1.0 + seen.asked / due) / 2)
    returning = [waiting * came for waiting in returning]
    told = tuple(Told(one.refused, max(0, one.first - 1), max(0, one.last - 1)) for one in queue.told)
    if len(told) == AHEAD:
        _add(returning, told[0]._replace(refused=seen.refused - told[0].refused))
        told = told[1:]
    elif seen.refused:  # before anything was told, processes refuse by their share
        _add(returning, Told(seen.refused, 0, LATEST // WINDOW))
    new = max(0.0, seen.asked - due) / WINDOW
    admitted = seen.asked - seen.refused
    worth = queue.worth
    if admitted > 0:
        measured = min(1.0, seen.enrolled / admitted)
        worth += (_RISES if measured > worth else _FALLS) * (measured - worth)
    return queue._replace(
        newcomers=_followed(queue.newcomers, new),
        worth=max(LEAST_WORTH, worth),
        returning=tuple(_without_end(returning)),
        told=told,
    )


def _followed(before: float, now: float) -> float:
    """New apps a second: at once where they are more than chance makes of as many as before, else by and by."""
    chance = 2.0 * (before / WINDOW) ** 0.5
    return now if now > before + chance else before + _EASES * (now - before)


def _told(queue: Queue, pace: float, processes: int) -> Queue:
    """The account with what processes go by in the window that it decides for."""
    most = pace / queue.worth
    status = Admission(1.0, SOONEST, LATEST, HEADROOM * most / max(1, processes))
    refused = max(0.0, queue.demand - most) * WINDOW
    if refused:
        first, last = _free(queue, most, refused)
        soonest, latest = (first - AHEAD + 1) * WINDOW, (last - AHEAD + 2) * WINDOW - 1
        status = status._replace(admit=most / queue.demand, soonest=soonest, latest=latest)
    else:
        first, last = AHEAD - 1, AHEAD - 1 + LATEST // WINDOW
    one, returning = Told(refused, first, last), list(queue.returning)
    _add(returning, one)
    told = (*queue.told, one)[-AHEAD:]
    return queue._replace(status=status, returning=tuple(_without_end(returning)), told=told)


def _free(queue: Queue, most: float, wanted: float) -> tuple[int, int]:
    """The earliest windows that have room for as many as ``wanted``; the second half of all where none have."""
    room, first, last = 0.0, 0, AHEAD - 1 + _SLOTS
    for slot in range(AHEAD, last):
        new = queue.newcomers * 2 ** (-(slot - AHEAD) * WINDOW / HALVED) * WINDOW
        free = most * FILLED * WINDOW - _at(queue.returning, slot) - new
        if free > 0:
            first = first or slot
            room += free
            if room >= wanted:
                return first, slot
    return first or AHEAD + _SLOTS // 2, last - 1


def _add(returning: list[float], told: Told) -> None:
    returning += [0.0] * (told.last + 1 - len(returning))
    for slot in range(told.first, told.last + 1):
        returning[slot] = max(0.0, returning[slot] + told.refused / (told.last + 1 - told.first))


def _at(returning: Sequence[float], slot: int) -> float:
    return returning[slot] if slot < len(returning) else 0.0


def _without_end(returning: list[float]) -> list[float]:
    while returning and returning[-1] < 0.5:
        returning.pop()
    return returning
