"""A worker on a laptop is not frozen between calls: what its function counted last is written all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bonafide_tokens.counting.tally import Cell, Tally

from devkit.gateway import worker_entry


class Timers:
    """Stands in for threads: ``run`` does what was put off."""

    def __init__(self) -> None:
        self.put_off: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, do: Callable[[], None]) -> Any:
        timers = self

        class Timer:
            daemon = False
            _started = False

            def start(self) -> None:
                assert self.daemon
                self._started = True
                timers.put_off.append((seconds, do))

            def is_alive(self) -> bool:
                return self._started and bool(timers.put_off)

        return Timer()

    def run(self) -> None:
        _, do = self.put_off.pop()
        do()


def test_last_bucket_is_written_two_seconds_after_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer at a time, whatever comes meanwhile, and the next call begins another."""
    timers, lines = Timers(), list[str]()
    monkeypatch.setattr("devkit.gateway.worker_entry.threading.Timer", timers)
    counts, tally = worker_entry.Counts(), Tally("enrol", lines.append, lambda at: {"id": f"{at}"})
    for _ in range(3):
        tally.count(1_000, Cell("demo", "accepted"))
        counts.write_soon()
    assert [seconds for seconds, _ in timers.put_off] == [2]
    assert len(lines) == 1
    timers.run()
    assert [json.loads(line)["counts"][0]["cells"][0][-1] for line in lines] == [1, 2]
    counts.write_soon()
    assert len(timers.put_off) == 1
    timers.run()
    assert len(lines) == 2


def test_nothing_is_written_while_a_function_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tally is not for two threads at once."""
    timers = Timers()
    monkeypatch.setattr("devkit.gateway.worker_entry.threading.Timer", timers)
    counts = worker_entry.Counts()
    counts.write_soon()
    held = list[bool]()
    tally = Tally("enrol", lambda _line: held.append(counts.at_work.locked()), lambda at: {"id": f"{at}"})
    tally.count(1_000, Cell("demo", "accepted"))
    tally.count(1_000, Cell("demo", "accepted"))
    timers.run()
    assert held == [False, True]
