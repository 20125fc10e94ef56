"""Phones as cohorts: expected numbers, by what they do next and when. As good for a hundred million as for one.

A phone is in use or not; it has a token whose renewal is due at a step, or waits for its next attempt after so many
refusals in a row, or has nothing and is not in use. Uses and pauses are exponential, so each number needs no memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from devkit.client_core.homes import LOST_AFTER, LOST_ATTEMPTS
from devkit.client_core.token_life import TokenLife
from devkit.client_core.waits import most_jitter
from devkit.simulation.latencies import counted
from devkit.simulation.phones.clients import (
    ENROLMENT_BYTES_LIVE,
    LEVELS,
    PATIENCE,
    Floats,
    challenge_share,
    renewal_moments,
    waits,
)
from devkit.simulation.phones.recorder import Recorder, add_served
from devkit.simulation.region.stack import BY_GATEWAY, SILENCE, Refused, Served, Stack, Wait
from devkit.simulation.usage import Usage

_SAMPLES: Final = 20_000


class Stage(IntEnum):
    """What a phone that waits will send. ``…_AHEAD``: its token may still be used meanwhile."""

    CHALLENGE = 0
    BYTES = 1
    CHALLENGE_AHEAD = 2
    BYTES_AHEAD = 3
    ENROL = 4
    ENROL_BYTES = 5


class Token(IntEnum):
    """Tokens by what a publication with effect now says of them."""

    GOOD = 0
    OLDER = 1
    REFUSED = 2


_WITHOUT: Final = (Stage.CHALLENGE, Stage.BYTES)
_RENEWING: Final = slice(0, 4)


@dataclass
class Cohorts:
    """The phones of one region. ``seconds`` is a step, ``steps`` how many there will be."""

    phones: float
    usage: Usage
    life: TokenLife
    seconds: float
    steps: int
    start: float
    stack: Stack
    recorder: Recorder
    adopting: Cohorts | None = None
    elsewhere: bool = False
    """Whether phones that have lost this region may renew at ``adopting``: it has adopted their keys."""
    at: int = 0
    unaware: float = 0.0
    """Of phones that rest, the share that has not heard of the newest client policy."""
    told: float = 0.0
    """Phones that learnt of it in this step."""
    _kernels: dict[tuple[Wait, int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        longest = max(self.life.renew_until, most_jitter(LEVELS) + 3_600.0)
        self._size = self.steps + int(longest / self.seconds) + 3
        self.tokens = np.zeros((3, self._size))
        self.asleep = np.zeros((3, self._size))
        self.waits = np.zeros((len(Stage), LEVELS + 1, self._size))
        self.waits_asleep = np.zeros((LEVELS + 1, self._size))
        self.without = np.zeros(LEVELS + 1)
        self._high = 1
        self._untold = 0.0
        self._next_token = _spread(self._renewals(), self.seconds)
        self._durations = _durations(self.usage.use_seconds)
        self._enrolments = _durations(math.inf)
        used = self.phones * self.usage.in_use(self.start)
        self.add_tokens(used)  # as if all had been renewed now: warming up spreads them
        self.without[0] = self.phones - used
        spread = int(self.life.renew_until / self.seconds)
        self.tokens[:] = 0.0
        self.tokens[Token.GOOD, 1 : 1 + spread] = used / spread
        self._high = max(self._high, spread + 2)

    def step(self, installs: float = 0.0, knowing: float = 1.0) -> None:
        """One step: who begins and ends a use, what is due, what is sent, and what becomes of it. ``knowing`` is the
        share of gates that know of the publication, if there was one."""
        at, now = self.at, self.start + self.at * self.seconds
        self._begin_and_end(now)
        want = self.waits[:, :, at].copy()
        self.waits[:, :, at] = 0.0
        self.without += self.waits_asleep[:, at]
        self.waits_asleep[:, at] = 0.0
        want[Stage.CHALLENGE] += self._woken
        want[Stage.ENROL, 0] += installs
        fresh = np.zeros((2, LEVELS + 1))  # without a token, and ahead
        due, usable = float(self.tokens[:, at].sum()), challenge_share(self.life)
        fresh[1, 0] += due * usable
        want[Stage.CHALLENGE_AHEAD, 0] += due * (1.0 - usable)
        self.without[0] += self.asleep[:, at].sum()
        unaware = float(self.tokens[Token.OLDER :, at].sum())
        self.tokens[:, at] = self.asleep[:, at] = 0.0
        fresh[0, 0] += self._sent_back(knowing)
        woken, resting = float(self._woken.sum()), float(self.without.sum() + self._woken.sum())
        unaware += float(fresh[0, 0]) + self.unaware * woken
        self.unaware *= 1.0 - woken / max(1.0, resting)
        begun, waiting = due + float(fresh[0].sum()) + woken, self.waiting
        self._count(installs, begun)
        self._send(want, fresh)
        self._tell(unaware, begun, waiting)
        self.at += 1

    def add_tokens(self, count: float) -> None:
        """Phones in use that have just got a token."""
        first = self.at
        self.tokens[Token.GOOD, first : first + len(self._next_token)] += count * self._next_token
        self._high = max(self._high, first + len(self._next_token))

    def publish(self) -> None:
        """A publication with effect now: every token of this moment is an older one."""
        for each in (self.tokens, self.asleep):
            each[Token.OLDER] += each[Token.GOOD]
            each[Token.GOOD] = 0.0
        self.unaware, self._untold = 1.0, self.waiting

    def condemn(self, share: float) -> None:
        """Of older tokens that pass, ``share`` is refused from now on."""
        for each in (self.tokens, self.asleep):
            moved = each[Token.OLDER] * share
            each[Token.OLDER] -= moved
            each[Token.REFUSED] += moved

    @property
    def in_use(self) -> float:
        """Phones in use."""
        return float(self.tokens[:, self.at : self._high].sum() + self.waits[:, :, self.at : self._high].sum())

    @property
    def waiting(self) -> float:
        """Phones in use that wait for their next attempt."""
        return float(self.waits[:, :, self.at : self._high].sum())

    def _renewals(self) -> Floats:
        return renewal_moments(self.life, (np.arange(_SAMPLES) + 0.5) / _SAMPLES)

    def _begin_and_end(self, now: float) -> None:
        window = slice(self.at, self._high)
        ending = 1.0 - math.exp(-self.seconds / self.usage.use_seconds)
        waking = 1.0 - math.exp(-self.seconds * self.usage.wakes_a_second(now))
        ended, woken = self.tokens[:, window] * ending, self.asleep[:, window] * waking
        self.tokens[:, window] += woken - ended
        self.asleep[:, window] += ended - woken
        if self.waits[_RENEWING].any() or self.waits_asleep.any():
            left = self.waits[_RENEWING, :, window] * ending
            back = self.waits_asleep[:, window] * waking
            self.waits[_RENEWING, :, window] -= left
            self.waits_asleep[:, window] += left.sum(axis=0) - back
            self.waits[Stage.CHALLENGE, :, window] += back
        self._woken = self.without * waking
        self.without = self.without - self._woken

    def _sent_back(self, knowing: float) -> float:
        """Phones in use whose token a gate has refused, and which renew before they call again."""
        window = slice(self.at, self._high)
        hit = self.tokens[Token.REFUSED, window] * (1.0 - math.exp(-self.seconds * knowing / self.usage.call_every))
        self.tokens[Token.REFUSED, window] -= hit
        sent = float(hit.sum())
        if self.recorder.is_on:
            self.recorder.sent_back += sent
        return sent

    def _count(self, installs: float, wanted: float) -> None:
        record = self.recorder
        if not record.is_on:
            return
        calls = self.seconds / self.usage.call_every
        later = self.at + int(PATIENCE / self.seconds) + 1
        record.operations += wanted + installs
        record.installs += installs
        record.calls += self.in_use * calls
        record.failed_calls += calls * float(
            self.waits[_WITHOUT, :, later : self._high].sum() + self.waits[4:, :, later : self._high].sum()
        )

    def _tell(self, unaware: float, begun: float, waiting: float) -> None:
        """Answers that bring a token tell of the newest client policy, also those that come late."""
        at_first = min(1.0, float(self._got[0]) / begun) if begun > 0 else 1.0
        late = min(1.0, float(self._got[1:].sum()) / waiting) if waiting > 0 else 1.0
        gone = self._untold * (1.0 - math.exp(-self.seconds / self.usage.use_seconds))
        resting = float(self.without.sum() + self.waits_asleep[:, self.at : self._high].sum())
        self.unaware = min(1.0, self.unaware + gone / max(1.0, resting))
        self._untold -= gone
        self.told = unaware * at_first + self._untold * late
        self._untold += unaware - self.told

    def _send(self, want: Floats, fresh: Floats) -> None:
        """Challenges first, then what they are for."""
        asking = (Stage.CHALLENGE, Stage.CHALLENGE_AHEAD)
        installed = float(want[Stage.ENROL].sum())
        served = self.stack.serve("challenges", float(want[asking, :].sum()), beside=installed)
        got = self._answered(served, [(stage, want[stage]) for stage in asking])
        served = self.stack.serve("challenges", installed, enrolling=True)
        got_installed = self._answered(served, [(Stage.ENROL, want[Stage.ENROL])])
        for place, stage in enumerate((Stage.CHALLENGE, Stage.CHALLENGE_AHEAD)):
            fresh[place] += want[stage] * got
        again = (want[Stage.BYTES], want[Stage.BYTES_AHEAD])
        served = self.stack.serve("renewals", float(fresh.sum() + again[0].sum() + again[1].sum()))
        after = (  # the same bytes once, then a new challenge
            (Stage.BYTES, fresh[0]),
            (Stage.BYTES_AHEAD, fresh[1]),
            (Stage.CHALLENGE, again[0]),
            (Stage.CHALLENGE_AHEAD, again[1]),
        )
        share = self._answered(served, after)
        self._got = (fresh.sum(axis=0) + again[0] + again[1]) * share
        self._renewed(self._got, served)
        enrolling, sent = want[Stage.ENROL] * got_installed, want[Stage.ENROL_BYTES]
        served = self.stack.serve("enrolments", float(enrolling.sum() + sent.sum()))
        share = self._answered(served, [(Stage.ENROL_BYTES, enrolling + sent)])
        self._enrolled((enrolling + sent) * share, served)

    def _answered(self, served: Served, senders: Sequence[tuple[Stage, Floats]]) -> float:
        """Let those that were refused wait, each at the stage that is named, and return the share that was not."""
        total = sum(float(counts.sum()) for _stage, counts in senders)
        if total <= 0:
            return 1.0
        for refused in served.refused:
            share = refused.number / total
            if self.recorder.is_on:
                self.recorder.refusals += refused.number
            for stage, counts in senders:
                self._wait(stage, counts * share, refused)
        return served.passed / total

    def _wait(self, stage: Stage, counts: Floats, refused: Refused) -> None:
        for before in np.flatnonzero(counts > 1e-12):
            level = min(int(before) + 1, LEVELS)
            number = float(counts[before])
            if not refused.answered:
                number -= self._turn_elsewhere(number, level, stage)
            then = stage
            if level > 2 and stage in (Stage.CHALLENGE_AHEAD, Stage.BYTES_AHEAD):
                then = Stage(stage - 2)  # by now the token has ended
            if stage is Stage.ENROL_BYTES:
                alive = min(1.0, ENROLMENT_BYTES_LIVE / (refused.wait.most + most_jitter(level)))
                self._later(Stage.ENROL, level, number * (1.0 - alive), refused.wait)
                number *= alive
            self._later(then, level, number, refused.wait)

    def _later(self, stage: Stage, level: int, number: float, wait: Wait) -> None:
        kernel = self._kernels.get((wait, level))
        if kernel is None:
            kernel = self._kernels[wait, level] = _spread(_waits(wait, level), self.seconds)
        end = min(self._size, self.at + len(kernel))
        self.waits[stage, level, self.at : end] += number * kernel[: end - self.at]
        self._high = max(self._high, end)

    def _turn_elsewhere(self, number: float, level: int, stage: Stage) -> float:
        """Of phones whose region gives no answer, those that renew at the one that has adopted their keys."""
        if self.adopting is None or not self.elsewhere or level < LOST_ATTEMPTS or stage >= Stage.ENROL:
            return 0.0
        share = _lost_by_then() if level == LOST_ATTEMPTS else 1.0
        there = self.adopting.stack
        asked = there.serve("challenges", number * share)
        served = there.serve("renewals", asked.passed)
        self.adopting.add_tokens(served.passed)
        self.adopting.phones += served.passed
        if self.recorder.is_on:
            self.recorder.renewed += served.passed
            self.recorder.renewals.counts += served.passed * self._durations[level]
        return served.passed

    def _renewed(self, counts: Floats, served: Served) -> None:
        self.add_tokens(float(counts.sum()))
        if self.recorder.is_on:
            self.recorder.renewed += float(counts.sum())
            add_served(self.recorder.renewals, served, float(counts[0]))
            self.recorder.renewals.counts += counts[1:] @ self._durations[1:]

    def _enrolled(self, counts: Floats, served: Served) -> None:
        self.add_tokens(float(counts.sum()))
        if self.recorder.is_on:
            self.recorder.enrolled += float(counts.sum())
            add_served(self.recorder.enrolments, served, float(counts[0]))
            self.recorder.enrolments.counts += counts[1:] @ self._enrolments[1:]


def _spread(offsets: Floats, seconds: float) -> Floats:
    """The share of ``offsets`` in each step from the present one; what would be due in this step is due in the next."""
    steps = np.maximum(1, (offsets / seconds).astype(np.int64))
    return np.bincount(steps) / len(offsets)


def _waits(wait: Wait, level: int) -> Floats:
    """Evenly drawn waits after so many refusals."""
    drawn = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    asked = np.modf(drawn * 0.6180339887498949 * _SAMPLES)[0]  # as even, and independent of the other
    return waits(wait, np.full(_SAMPLES, level), asked, drawn)


def _durations(use_seconds: float) -> Floats:
    """How long it took until a token was there, after so many refusals in a row, by bins: a row for each number. Of
    phones that stay in use meanwhile; for the others the next use begins anew."""
    chance = np.random.default_rng(0)
    total, rows = np.zeros(_SAMPLES), [counted(np.zeros(_SAMPLES)) / _SAMPLES]
    for level in range(1, LEVELS + 1):
        total = total + waits(BY_GATEWAY, np.full(_SAMPLES, level), chance.random(_SAMPLES), chance.random(_SAMPLES))
        stay = np.exp(-total / use_seconds)
        rows.append(counted(total, stay / stay.sum()))
    return np.array(rows)


def _lost_by_then() -> float:
    """The share of phones for which home has been silent for long enough when their third attempt fails."""
    chance = np.random.default_rng(0)
    silent = np.zeros(_SAMPLES)
    for level in range(1, LOST_ATTEMPTS):
        silent = silent + waits(SILENCE, np.full(_SAMPLES, level), chance.random(_SAMPLES), chance.random(_SAMPLES))
    return float((silent >= LOST_AFTER).mean())
