"""What is remembered is served at once; tables that are down, slow or hung cost no request its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from service import remembered
from service.deadline import seconds_left
from service.errors import Unavailable
from service.remembered import Moment, Remembered, RememberedByName

NOW = 1_780_000_000.0


@dataclass
class Table:
    """Counts its reads; ``down`` fails them, ``gate`` holds them until it is set."""

    reads: int = 0
    down: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    deadlines: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def read(self, _known: int | None, _now: float) -> int:
        self.reads += 1
        number = self.reads
        self.deadlines.append(seconds_left())
        assert self.gate.wait(timeout=30)
        if self.down:
            raise Unavailable("table")
        return number


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def value(table: Table) -> Remembered[int]:
    """Served for a second, looked up first from ten seconds on."""
    return Remembered(read=table.read, fresh=1.0, first=10.0)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what a thread beside us does."""
    give_up_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def test_fresh_value_costs_nothing(value: Remembered[int], table: Table) -> None:
    """However many ask."""
    assert {value.current(NOW + n / 100) for n in range(90)} == {1}
    assert table.reads == 1


def test_older_value_is_served_at_once_and_read_again_beside(value: Remembered[int], table: Table) -> None:
    """The request that notices does not wait; a later one has the newer value."""
    value.current(NOW)
    table.gate.clear()
    assert value.current(NOW + 5) == 1
    eventually(lambda: table.reads == 2)
    assert value.current(NOW + 5) == 1
    table.gate.set()
    eventually(lambda: value.current(NOW + 5.5) == 2)
    assert table.reads == 2


def test_old_value_is_read_again_first(value: Remembered[int]) -> None:
    """After a pause of minutes the first request sees what is true now, where the table is well."""
    value.current(NOW)
    assert value.current(NOW + 600) == 2


def test_hung_table_costs_one_request_a_moment_and_no_other(
    value: Remembered[int], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red before: every request waited for its own timeout, one after another."""
    monkeypatch.setattr(remembered, "WAIT", 0.3)
    value.current(NOW)
    table.gate.clear()
    waits = []
    for second in range(20):
        began = time.monotonic()
        assert value.current(NOW + 20 + second / 10) == 1
        waits.append(time.monotonic() - began)
    assert table.reads == 2
    assert sum(wait > 0.2 for wait in waits) <= 1
    table.gate.set()


def test_slow_table_is_asked_again_only_after_its_value_has_aged(
    value: Remembered[int], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Age counts from the end of the read: a read of four seconds is no reason for the next one."""
    steady = [1000.0]
    monkeypatch.setattr(remembered, "monotonic", lambda: steady[0])

    def slow(known: int | None, now: float) -> int:
        steady[0] += 4.0
        return table.read(known, now)

    value.read = slow
    assert value.current(NOW) == 1
    assert value.current(NOW + 4.5) == 1
    assert table.reads == 1


def test_no_request_waits_for_a_table_that_was_slow(
    value: Remembered[int], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old values too are served at once, until one read has come in time again."""
    monkeypatch.setattr(remembered, "WAIT", 0.05)

    def slow(known: int | None, now: float) -> int:
        number = table.read(known, now)
        time.sleep(0.2)
        return number

    value.read = slow
    value.current(NOW)
    assert value.current(NOW + 600) == 1
    eventually(lambda: value.current(NOW + 600) == 2)


def test_failed_reads_keep_a_growing_distance(value: Remembered[int], table: Table) -> None:
    """And what is remembered goes on."""
    value.current(NOW)
    table.down = True
    for second in range(120):
        assert value.current(NOW + 20 + second) == 1
        eventually(lambda: value._attempt is None or value._attempt.over.is_set())
    assert 4 <= table.reads <= 10
    table.down = False
    value.current(NOW + 600)
    eventually(lambda: value.current(NOW + 601) > 1)


def test_cold_outage_is_told_and_not_tried_by_every_request(value: Remembered[int], table: Table) -> None:
    """The second request of the same second hears at once what the first one waited for."""
    table.down = True
    for _ in range(5):
        with pytest.raises(Unavailable, match="table"):
            value.current(NOW)
    assert table.reads == 1
    table.down = False
    assert value.current(NOW + 2) == 2


def test_value_that_lacks_something_is_looked_for_first(table: Table) -> None:
    """Until it is whole, each patience, and no more often."""
    value = Remembered(read=table.read, fresh=100.0, first=200.0, patience=5.0, whole=lambda number: number >= 3)
    assert [value.current(NOW + second) for second in (0, 1, 4, 5.5, 6, 11.5, 12)] == [1, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_clock_that_jumps_and_comes_back_freezes_nothing(
    value: Remembered[int], table: Table, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Red before: read at an hour ahead, and not again for an hour; or counted old at every request."""
    steady = [1000.0]
    monkeypatch.setattr(remembered, "monotonic", lambda: steady[0])
    value.current(NOW)
    value.current(NOW + jump)
    eventually(lambda: value._attempt is None or value._attempt.over.is_set())
    before = table.reads
    steady[0] += 20
    assert value.current(NOW + 20) == before + 1


def test_steady_clock_that_stood_still_in_a_freeze_keeps_nothing_young(value: Remembered[int]) -> None:
    """Lambda freezes processes for minutes; the request's clock says so."""
    value.current(NOW)
    assert value.current(NOW + 900) == 2


def test_answer_that_was_frozen_on_its_way_is_thrown_away(
    value: Remembered[int], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack is time: it says what was true when the process froze, from before a block perhaps."""
    steady = [1000.0]
    monkeypatch.setattr(remembered, "monotonic", lambda: steady[0])
    value.current(NOW)
    table.gate.clear()
    assert value.current(NOW + 5) == 1  # read 2 is under way, and freezes
    eventually(lambda: table.reads == 2)
    frozen = value._attempt
    steady[0] += 900
    table.gate.set()
    assert frozen is not None
    assert frozen.over.wait(timeout=30)
    assert value._value == [1]
    assert value.current(NOW + 905) == 3


def test_read_beside_has_a_deadline_of_its_own(value: Remembered[int], table: Table) -> None:
    """It outlives the request, and must end all the same."""
    value.current(NOW)
    value.current(NOW + 20)
    eventually(lambda: len(table.deadlines) == 2)
    assert 0 < table.deadlines[1] < remembered.LOST


def test_unplanned_error_beside_a_request_is_told_and_serves_on(value: Remembered[int]) -> None:
    """It is logged and counted: no request can raise it."""
    value.current(NOW)

    def broken(_known: int | None, _now: float) -> int:
        raise KeyError("x")

    value.read = broken
    assert value.current(NOW + 20) == 1
    eventually(lambda: value._failures == 1)


def test_names_are_forgotten_from_the_oldest(table: Table) -> None:
    """The attack: names that do not exist, by the million."""
    values = RememberedByName(make=lambda _name: Remembered(read=table.read, fresh=1.0, first=10.0), most=3)
    for name in "abcdef":
        values.current(name, NOW)
    assert values.current("f", NOW) == 6
    assert values.current("a", NOW) == 7


def test_age_is_the_longer_of_two_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever runs on."""
    monkeypatch.setattr(remembered, "monotonic", lambda: 100.0)
    moment = Moment.at(NOW)
    assert moment.age(NOW + 7) == 7
    monkeypatch.setattr(remembered, "monotonic", lambda: 109.0)
    assert moment.age(NOW - 3600) == 9
