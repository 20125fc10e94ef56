"""How fast Apple is asked: so many questions begin in a second, and so many are open at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Pace:
    """Lets questions begin ``per_second`` times a second, evenly: a pause is not made up for by a burst. The first
    waits as well, for the last one of another process may just have begun. ``clock`` counts seconds."""

    per_second: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._next = self.clock() + 1 / self.per_second

    def wait(self) -> None:
        """Wait until the next question may begin."""
        left = self._next - self.clock()
        if left > 0:
            self.sleep(left)
        self._next = max(self._next, self.clock()) + 1 / self.per_second


class InFlight(Generic[T]):
    """Tasks in threads of their own, at most ``most`` at a time; with 0, each in the caller's, for simulated time.
    Threads see the caller's context: its deadline is theirs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="receipts") if most else None
        self._open: set[Future[T]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def start(self, task: Callable[[], T]) -> list[T]:
        """Start a task when there is room for it. What has ended by then; what a task raised is raised here."""
        if self._pool is None:
            return [task()]
        ended = self._ended(self._most - 1)
        self._open.add(self._pool.submit(contextvars.copy_context().run, task))
        return ended

    def rest(self) -> list[T]:
        """Wait for all that are open."""
        return self._ended(0)

    def _ended(self, most_open: int) -> list[T]:
        ended = {future for future in self._open if future.done()}
        while len(self._open) - len(ended) > most_open:
            ended |= wait(self._open - ended, return_when=FIRST_COMPLETED).done
        self._open -= ended
        return [future.result() for future in ended]
