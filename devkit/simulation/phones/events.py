"""Phones one by one, up to a million: each has its own moments, and every request is one phone's.

A calendar has a list for each step: which phones begin or end a use, renew, or try again. What a phone planned and no
longer does is recognised by the phone's own time, which must be of the step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from devkit.client_core.homes import LOST_AFTER, LOST_ATTEMPTS
from devkit.client_core.token_life import TokenLife
from devkit.simulation.phones.clients import (
    ENROLMENT_BYTES_LIVE,
    PATIENCE,
    Floats,
    challenge_is_usable,
    renewal_moments,
    usable_seconds,
    waits,
)
from devkit.simulation.phones.recorder import Recorder
from devkit.simulation.region.stack import Served, Stack
from devkit.simulation.usage import Usage

MOST: Final = 1_000_000
"""Phones, with installs: above, cohorts."""

Phones = NDArray[np.int64]
_NEVER: Final = math.inf
_NONE: Final = np.zeros(0, np.int64)


class Sends(IntEnum):
    """What a phone's next attempt begins with."""

    NOTHING = 0
    CHALLENGE = 1
    BYTES = 2
    ENROL = 3
    ENROL_BYTES = 4


class _Plan(IntEnum):
    BEGIN = 0
    END = 1
    RENEW = 2
    TRY = 3
    SENT_BACK = 4


_LOOKS_AHEAD: Final = 900.0
"""Seconds for which a pause is drawn by one hour's busyness; phones that rest on draw again then."""


@dataclass
class Events:
    """The phones of one region. ``seconds`` is a step; ``room`` is for phones that are installed meanwhile."""

    phones: int
    usage: Usage
    life: TokenLife
    seconds: float
    start: float
    stack: Stack
    recorder: Recorder
    seed: int = 1
    room: int = 0
    adopting: Stack | None = None
    """The region that renews for this one's phones while :attr:`elsewhere`, as it has adopted their keys."""
    elsewhere: bool = False
    at: int = 0
    told: float = 0.0
    """Phones that learnt of a newer client policy in this step."""
    _calendar: dict[tuple[int, _Plan], list[Phones]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        everyone = self.phones + self.room
        self._chance = np.random.default_rng(self.seed)
        self.used = np.zeros(everyone, np.bool_)
        self.renew_at = np.full(everyone, -_NEVER)
        self.ends_at = np.full(everyone, -_NEVER)
        self.challenge_at = np.full(everyone, -_NEVER)
        self.try_at = np.full(everyone, _NEVER)
        self.began_at = np.zeros(everyone)
        self.silent_since = np.full(everyone, _NEVER)
        self.sends = np.zeros(everyone, np.int8)
        self.level = np.zeros(everyone, np.int64)
        self.older = np.zeros(everyone, np.bool_)
        self.refused = np.zeros(everyone, np.bool_)
        self.moved = np.zeros(everyone, np.bool_)
        self.unaware = np.zeros(everyone, np.bool_)
        self.cohort = self._chance.random(everyone)
        """Where a paced publication has each phone, from 0 to 1."""
        self._installed = self.phones
        self._rests: dict[int, list[Phones]] = defaultdict(list)
        used = np.flatnonzero(self._chance.random(self.phones) < self.usage.in_use(self.start))
        resting = np.setdiff1d(np.arange(self.phones), used, assume_unique=True)
        self.used[used] = True
        self._plan(_Plan.END, used, self.start + self._chance.exponential(self.usage.use_seconds, len(used)))
        asked = self.start - self._chance.random(len(used)) * self.life.renew_until
        self.challenge_at[used] = asked
        self.renew_at[used] = np.maximum(asked + self._renewals(len(used)), self.start + self.seconds)
        self.ends_at[used] = asked + usable_seconds(self.life)
        self._plan(_Plan.RENEW, used, self.renew_at[used])
        self._rest(resting, self.start)

    def step(self, installs: float = 0.0, knowing: float = 1.0) -> None:
        """One step, as :meth:`devkit.simulation.phones.cohorts.Cohorts.step`."""
        now, self.told = self._now(), 0.0
        self._stop(self._taken(_Plan.END), now)
        begun = np.concatenate([self._woken(now), self._due(), self._sent_back(knowing, now), self._new(installs)])
        self.began_at[begun] = now
        again = self._taken(_Plan.TRY)
        again = again[self._is_now(self.try_at[again]) & (self.sends[again] != Sends.NOTHING)]
        enrolling = self.sends[again] >= Sends.ENROL  # who installs an app stays until it works
        stopped = again[~self.used[again] & ~enrolling]
        self.sends[stopped] = Sends.NOTHING  # goes on when it is in use again
        again = again[self.used[again] | enrolling]
        self._count(len(begun), now)
        for moved, stack in ((False, self.stack), (True, self.adopting)):
            if stack is not None:
                self._send(begun[self.moved[begun] == moved], again[self.moved[again] == moved], stack, now)
        for plan in _Plan:
            self._calendar.pop((self.at, plan), None)
        self.at += 1

    def publish(self) -> None:
        """A publication with effect now: every token of this moment is an older one."""
        self.older[:] = self.ends_at > self._now()
        self.refused[:] = False
        self.unaware[: self._installed] = True

    def condemn_until(self, cohort: float) -> None:
        """Older tokens of phones whose cohort is below are refused from now on."""
        new = np.flatnonzero(self.older & ~self.refused & (self.cohort < cohort))
        self.refused[new] = True
        self._call(new[self.used[new]])

    @property
    def in_use(self) -> float:
        """Phones in use."""
        return float(self.used.sum())

    @property
    def waiting(self) -> float:
        """Phones in use that wait for their next attempt."""
        return float((self.used & (self.sends != Sends.NOTHING)).sum())

    def _now(self) -> float:
        return self.start + self.at * self.seconds

    def _steps(self, times: Floats) -> Phones:
        steps: Phones = np.floor((times - self.start) / self.seconds + 1e-9).astype(np.int64)
        return steps

    def _is_now(self, times: Floats) -> NDArray[np.bool_]:
        now: NDArray[np.bool_] = self._steps(np.where(np.isfinite(times), times, -1e15)) == self.at
        return now

    def _plan(self, plan: _Plan, phones: Phones, times: Floats) -> None:
        """Put them into the calendar, no earlier than the next step."""
        if not len(phones):
            return
        steps = np.maximum(self._steps(times), self.at + 1)
        order = np.argsort(steps, kind="stable")
        steps, phones = steps[order], phones[order]
        places = np.flatnonzero(np.diff(steps)) + 1
        for part, first in zip(np.split(phones, places), steps[np.append(0, places)], strict=True):
            self._calendar[int(first), plan].append(part)

    def _taken(self, plan: _Plan) -> Phones:
        lists = self._calendar.get((self.at, plan))
        return np.concatenate(lists) if lists else _NONE

    def _renewals(self, count: int) -> Floats:
        return renewal_moments(self.life, self._chance.random(count))

    def _rest(self, phones: Phones, now: float) -> None:
        """They go out of use, or stay so; when the next use begins is drawn by how busy the hour is."""
        self.used[phones] = False
        pause = self._chance.exponential(1.0 / self.usage.wakes_a_second(now), len(phones))
        soon = pause <= _LOOKS_AHEAD
        self._plan(_Plan.BEGIN, phones[soon], now + pause[soon])
        self._rests[max(self.at + 1, int((now + _LOOKS_AHEAD - self.start) / self.seconds))].append(phones[~soon])

    def _stop(self, phones: Phones, now: float) -> None:
        phones = phones[self.used[phones]]
        staying = self.sends[phones] >= Sends.ENROL
        self._plan(_Plan.END, phones[staying], np.full(int(staying.sum()), now + self.usage.use_seconds))
        self._rest(phones[~staying], now)

    def _woken(self, now: float) -> Phones:
        """Phones whose use begins and that have no token."""
        for phones in self._rests.pop(self.at, ()):
            self._rest(phones, now)
        phones = self._taken(_Plan.BEGIN)
        self.used[phones] = True
        self._plan(_Plan.END, phones, now + self._chance.exponential(self.usage.use_seconds, len(phones)))
        self._call(phones[self.refused[phones]])
        wanting: NDArray[np.bool_] = (self.renew_at[phones] < now) & (self.sends[phones] == Sends.NOTHING)
        return np.asarray(phones[wanting])

    def _due(self) -> Phones:
        """Phones in use whose renewal is due."""
        phones = self._taken(_Plan.RENEW)
        due: NDArray[np.bool_] = self._is_now(self.renew_at[phones]) & self.used[phones]
        return np.asarray(phones[due & (self.sends[phones] == Sends.NOTHING)])

    def _call(self, phones: Phones) -> None:
        """Phones in use whose token is refused at their next call."""
        self._plan(_Plan.SENT_BACK, phones, self._now() + self._chance.exponential(self.usage.call_every, len(phones)))

    def _sent_back(self, knowing: float, now: float) -> Phones:
        """Phones whose token a gate has refused at a call just now."""
        phones = self._taken(_Plan.SENT_BACK)
        phones = np.unique(phones[self.used[phones] & self.refused[phones] & (self.sends[phones] == Sends.NOTHING)])
        hit = self._chance.random(len(phones)) < knowing
        self._call(phones[~hit])
        phones = phones[hit]
        self.refused[phones] = self.older[phones] = False
        self.ends_at[phones] = now
        self.renew_at[phones] = now
        if self.recorder.is_on:
            self.recorder.sent_back += len(phones)
        return phones

    def _new(self, installs: float) -> Phones:
        count = min(int(installs + self._chance.random()), len(self.used) - self._installed)
        phones = np.arange(self._installed, self._installed + count)
        self._installed += count
        self.used[phones], self.sends[phones] = True, Sends.ENROL
        self._plan(_Plan.END, phones, self._now() + self._chance.exponential(self.usage.use_seconds, count))
        if self.recorder.is_on:
            self.recorder.installs += count
        return phones

    def _count(self, begun: int, now: float) -> None:
        record = self.recorder
        if record.is_on:
            calls = self.seconds / self.usage.call_every
            without = self.used & (self.sends != Sends.NOTHING) & (self.ends_at <= now)
            record.operations += begun
            record.calls += self.in_use * calls
            record.failed_calls += (
                float((without & (self.try_at > now + PATIENCE) & (self.try_at < _NEVER)).sum()) * calls
            )

    def _send(self, begun: Phones, again: Phones, stack: Stack, now: float) -> None:
        """Challenges first, then what they are for."""
        installed = self.sends[begun] == Sends.ENROL
        has = challenge_is_usable(now - self.challenge_at[begun]) & ~installed
        dead = (self.sends[again] == Sends.ENROL_BYTES) & (now - self.challenge_at[again] > ENROLMENT_BYTES_LIVE)
        self.sends[again[dead]] = Sends.ENROL
        self.sends[begun[~has & ~installed]] = Sends.CHALLENGE
        asking = np.concatenate([begun[~has & ~installed], again[self.sends[again] == Sends.CHALLENGE]])
        enrolling = np.concatenate([begun[installed], again[self.sends[again] == Sends.ENROL]])
        got = self._answered(asking, stack.serve("challenges", len(asking), beside=len(enrolling)), now)
        served = stack.serve("challenges", len(enrolling), enrolling=True)
        enrols = self._answered(enrolling, served, now)
        self.challenge_at[got] = self.challenge_at[enrols] = now
        fresh = np.concatenate([begun[has], got])
        repeated = again[self.sends[again] == Sends.BYTES]
        self.sends[fresh] = Sends.BYTES
        self.sends[repeated] = Sends.CHALLENGE  # the same bytes once, then a new challenge
        sent = np.concatenate([fresh, repeated])
        served = stack.serve("renewals", len(sent))
        self._renewed(self._answered(sent, served, now), served, now)
        sent = np.concatenate([enrols, again[self.sends[again] == Sends.ENROL_BYTES]])
        self.sends[sent] = Sends.ENROL_BYTES
        served = stack.serve("enrolments", len(sent))
        self._renewed(self._answered(sent, served, now), served, now, enrolled=True)

    def _answered(self, senders: Phones, served: Served, now: float) -> Phones:
        """Let those that were refused wait, and return those that were not."""
        if not len(senders):
            return senders
        order = self._chance.permutation(senders)
        passing = min(len(order), int(served.passed + self._chance.random()))
        passed, left = order[:passing], order[passing:]
        total = sum(refused.number for refused in served.refused)
        for place, refused in enumerate(served.refused):
            last = place == len(served.refused) - 1
            count = len(left) if last else min(len(left), int(len(order[passing:]) * refused.number / total + 0.5))
            phones, left = left[:count], left[count:]
            if not refused.answered:
                phones = self._turn_elsewhere(phones, now)
            self.level[phones] += 1
            if self.recorder.is_on:
                self.recorder.refusals += len(phones)
            drawn = self._chance.random((2, len(phones)))
            self.try_at[phones] = now + waits(refused.wait, self.level[phones], drawn[0], drawn[1])
            self.try_at[phones] = np.maximum(self.try_at[phones], now + self.seconds)
            self._plan(_Plan.TRY, phones, self.try_at[phones])
        return passed

    def _turn_elsewhere(self, phones: Phones, now: float) -> Phones:
        """Of phones whose region gives no answer, those that have to go on waiting for it."""
        self.silent_since[phones] = np.minimum(self.silent_since[phones], now)
        lost = (self.level[phones] + 1 >= LOST_ATTEMPTS) & (now - self.silent_since[phones] >= LOST_AFTER)
        turned = phones[lost & (self.sends[phones] < Sends.ENROL)]
        if self.adopting is None or not self.elsewhere or not len(turned):
            return phones
        asked = self.adopting.serve("challenges", len(turned))
        served = self.adopting.serve("renewals", asked.passed)
        there = turned[: int(served.passed + self._chance.random())]
        self.moved[there] = True
        if self.recorder.is_on:
            self.recorder.refusals += len(there)
        self._renewed(there, served, now)
        return np.setdiff1d(phones, there, assume_unique=True)

    def _renewed(self, phones: Phones, served: Served, now: float, *, enrolled: bool = False) -> None:
        """They have a token, and with it the next challenge."""
        if not len(phones):
            return
        self.sends[phones], self.level[phones] = Sends.NOTHING, 0
        self.older[phones] = self.refused[phones] = False
        self.silent_since[phones], self.try_at[phones] = _NEVER, _NEVER
        self.told += float(self.unaware[phones].sum())
        self.unaware[phones] = False
        self.challenge_at[phones] = now
        self.renew_at[phones] = now + np.maximum(self._renewals(len(phones)), self.seconds)
        self.ends_at[phones] = now + usable_seconds(self.life)
        self._plan(_Plan.RENEW, phones, self.renew_at[phones])
        record = self.recorder
        if record.is_on:
            cold = self._chance.random(len(phones)) < served.cold
            took = now - self.began_at[phones] + np.where(cold, served.cold_seconds, served.seconds)
            if enrolled:
                record.enrolled += len(phones)
                record.enrolments.add_each(took)
            else:
                record.renewed += len(phones)
                record.renewals.add_each(took)
