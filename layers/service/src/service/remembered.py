"""What a process remembers of a table, and how it is kept fresh without making requests wait.

=========================  =========================================================================================
age of what we remember    what happens
=========================  =========================================================================================
below ``fresh``            nothing
from ``fresh``             it is served at once, and read again in the background
from ``first``             it is read again first; the request waits for that, ``WAIT`` seconds at most
nothing remembered         the request reads, within its own deadline
a read fails or is slow    what is remembered goes on at once; reads keep a growing distance, no request waits for one
                           until one has succeeded in time
=========================  =========================================================================================

*Age* counts from the end of a read: the time that a slow table takes is no reason to ask it again at once. It is the
longer of what the request's clock and the steady clock say: a clock that jumps back freezes nothing, and neither does
a steady clock that stands still while Lambda has the process frozen. Lambda freezes mid-read, too: an answer that
arrives after :data:`LOST` is thrown away.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Generic, TypeVar

from service.deadline import seconds_left, within
from service.errors import Unavailable
from service.telemetry.decisions import log_unavailable, log_unexpected

T = TypeVar("T")

WAIT: Final = 1.0
"""Seconds that a request waits for a read at most, when there is something to serve without it."""

LOST: Final = 10.0
"""Seconds after which a read is given up for lost."""

_READING: Final = 6.0
"""Seconds that a background read may take: it has no request's deadline."""

_LONGEST_PAUSE: Final = 30.0
_MAX_THREADS: Final = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by two clocks: the request's (Unix seconds), and the steady one of this machine."""

    wall: float
    steady: float

    @classmethod
    def at(cls, now: float) -> Moment:
        """This moment, which the request calls ``now``."""
        return cls(now, monotonic())

    def age(self, now: float) -> float:
        """Seconds since then, by whichever clock says more."""
        return max(now - self.wall, monotonic() - self.steady)


class _Attempt:
    """One read: when it began, and a flag that is raised when it is over."""

    __slots__ = ("began", "over")

    def __init__(self, now: float) -> None:
        self.began = Moment.at(now)
        self.over = threading.Event()


@dataclass(slots=True, kw_only=True)
class Remembered(Generic[T]):
    """One value. ``read`` gets the value of before (``None`` at first) and the time of the request that asks, and
    returns the newer one; it raises :class:`~service.errors.Unavailable`. Safe to share between threads.

    ``fresh`` and ``first`` are as above, in seconds; ``patience`` is the shortest pause after a read that failed. A
    value that is not ``whole`` lacks something that will be there soon: it is read again first, each ``patience``.
    """

    read: Callable[[T | None, float], T]
    fresh: float
    first: float
    patience: float = 1.0
    whole: Callable[[T], bool] = lambda _value: True
    _value: list[T] = field(default_factory=list, init=False, repr=False)  # none, or one: T may be None itself
    _known_at: Moment = field(default=Moment(float("-inf"), float("-inf")), init=False)
    _attempt: _Attempt | None = field(default=None, init=False, repr=False)
    _failed_at: Moment | None = field(default=None, init=False)
    _failure: str = field(default="", init=False)
    _failures: int = field(default=0, init=False)
    _slow: bool = field(default=False, init=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _reading_first: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def current(self, now: float) -> T:
        """The value to go by at ``now`` (Unix seconds). Raises :class:`~service.errors.Unavailable` while there is
        none."""
        if not self._value:
            self._read_now(now)
        value = self._value[0]
        whole = self.whole(value)
        age = self._known_at.age(now)
        if whole and age < self.fresh:
            return value
        worth_waiting = not whole or (age >= self.first and not self._failures and not self._slow)
        attempt = self._begin(now)
        if attempt is not None and worth_waiting:
            attempt.over.wait(max(0.0, min(WAIT - attempt.began.age(now), seconds_left())))
            value = self._value[0]
        return value

    def at_hand(self, now: float) -> T | None:
        """What is known, without waiting: ``None`` while that is nothing. It is read in the background where due."""
        if not self._value or self._known_at.age(now) >= self.fresh:
            self._begin(now)
        return self._value[0] if self._value else None

    def _read_now(self, now: float) -> None:
        """The first read, in the request's own thread and time."""
        with self._reading_first:
            if self._value:
                return
            if self._pauses(now):
                raise Unavailable(self._failure)
            attempt = self._attempt = _Attempt(now)
            try:
                self._take(attempt, self.read(None, now))
            except Unavailable as error:
                self._fail(attempt, error.what)
                raise
            finally:
                attempt.over.set()

    def _begin(self, now: float) -> _Attempt | None:
        """Start a background read, or join the one under way; ``None`` while reads pause."""
        with self._lock:
            under_way = self._attempt
            if under_way is not None and not under_way.over.is_set() and under_way.began.age(now) < LOST:
                return under_way
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if self._pauses(now) or len(self._threads) >= _MAX_THREADS:
                return None
            attempt = self._attempt = _Attempt(now)
            thread = threading.Thread(target=self._run, args=(attempt,), name="refresh", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the process may have no more threads
                attempt.over.set()
                self._fail(attempt, str(error))
                return None
            self._threads.append(thread)
            return attempt

    def _pauses(self, now: float) -> bool:
        if self._failed_at is None:
            return False
        steady = not self._value or not self.whole(self._value[0])
        pause = self.patience if steady else min(_LONGEST_PAUSE, self.patience * 2.0 ** min(self._failures - 1, 8))
        return self._failed_at.age(now) < pause

    def _run(self, attempt: _Attempt) -> None:
        try:
            with within(_READING):
                self._take(attempt, self.read(self._value[0] if self._value else None, attempt.began.wall))
        except Unavailable as error:
            log_unavailable(error.what)
            self._fail(attempt, error.what)
        except Exception as error:  # it would be lost with the thread
            log_unexpected(error)
            self._fail(attempt, type(error).__name__)
        finally:
            attempt.over.set()

    def _take(self, attempt: _Attempt, value: T) -> None:
        ended = self._end_of(attempt)
        took = ended.steady - attempt.began.steady
        if attempt is not self._attempt or took > LOST:
            return  # thawed with what was true when it froze; or a later one has taken its place
        self._value, self._known_at, self._slow = [value], ended, took > WAIT
        if self.whole(value):
            self._failures, self._failed_at = 0, None
        else:
            self._fail(attempt, "not all of it could be read")

    def _fail(self, attempt: _Attempt, what: str) -> None:
        if attempt is self._attempt:
            self._failure, self._failures, self._failed_at = what, self._failures + 1, self._end_of(attempt)

    @staticmethod
    def _end_of(attempt: _Attempt) -> Moment:
        """Now, by the clocks that the attempt began with."""
        steady = monotonic()
        return Moment(attempt.began.wall + steady - attempt.began.steady, steady)


@dataclass(slots=True, kw_only=True)
class RememberedByName(Generic[T]):
    """A :class:`Remembered` for each name that is asked for, ``most`` of them: those asked for last."""

    make: Callable[[str], Remembered[T]]
    most: int
    _by_name: OrderedDict[str, Remembered[T]] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def current(self, name: str, now: float) -> T:
        """The value of ``name`` to go by at ``now``. Raises :class:`~service.errors.Unavailable`."""
        return self._of(name).current(now)

    def at_hand(self, name: str, now: float) -> T | None:
        """:meth:`Remembered.at_hand` of ``name``."""
        return self._of(name).at_hand(now)

    def _of(self, name: str) -> Remembered[T]:
        with self._lock:
            remembered = self._by_name.get(name) or self.make(name)
            self._by_name[name] = remembered
            self._by_name.move_to_end(name)
            while len(self._by_name) > self.most:
                self._by_name.popitem(last=False)
        return remembered
