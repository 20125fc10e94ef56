"""Replication as global tables do it: local conditions, a delay, the later write wins, and both copies end alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.regions.replicator import Replicator
from devkit.regions.rows import Item
from tests.regions.memory_tables import MemoryTables


@dataclass
class World:
    """Two regions, a replicator of one second between them, and a clock that a test turns."""

    now: float = 1_000.0
    replicator: Replicator = field(init=False)
    eu: MemoryTables = field(init=False)
    us: MemoryTables = field(init=False)

    def __post_init__(self) -> None:
        self.replicator = Replicator(delay=1.0, clock=lambda: self.now)
        self.eu, self.us = (MemoryTables(name, lambda: self.now) for name in ("eu", "us"))
        self.replicator.add(self.eu)
        self.replicator.add(self.us)

    def after(self, seconds: float) -> None:
        """Let time pass, and replication look once."""
        self.now += seconds
        self.replicator.step()

    def settle(self) -> None:
        """Let everything arrive."""
        for _ in range(5):
            self.after(2.0)
        assert self.replicator.under_way == 0


@pytest.fixture
def world() -> World:
    return World()


def value(tables: MemoryTables, name: str = "a") -> str | None:
    row = tables.rows.get(name)
    return None if row is None else row["v"]["S"]


def test_a_row_arrives_after_the_delay_and_not_before(world: World) -> None:
    world.eu.put("a", v="1")
    world.after(0.9)
    assert world.us.rows == {}
    world.after(0.2)
    assert world.us.rows == world.eu.rows


def test_both_ways_and_nothing_goes_round(world: World) -> None:
    world.eu.put("a", v="1")
    world.us.put("b", v="2")
    world.settle()
    assert world.eu.rows == world.us.rows
    assert world.replicator.counts.copied == 2


def test_a_delete_arrives(world: World) -> None:
    world.eu.put("a", v="1")
    world.settle()
    world.us.delete("a")
    world.settle()
    assert world.eu.rows == world.us.rows == {}


def test_the_later_write_wins_in_both(world: World) -> None:
    world.us.put("a", v="earlier")
    world.after(0.3)
    world.eu.put("a", v="later")
    world.settle()
    assert (value(world.eu), value(world.us)) == ("later", "later")
    assert world.replicator.counts.lost == 1


def test_a_later_delete_wins_over_a_write(world: World) -> None:
    world.eu.put("a", v="1")
    world.settle()
    world.us.put("a", v="2")
    world.after(0.1)
    world.eu.delete("a")
    world.settle()
    assert world.eu.rows == world.us.rows == {}


def test_each_region_judges_conditions_by_its_own_copy(world: World) -> None:
    """The trap: within the delay both regions find that a row is absent, and both write it."""
    assert "nonce" not in world.eu.rows
    world.eu.put("nonce", v="eu")
    world.after(0.5)
    assert "nonce" not in world.us.rows
    world.us.put("nonce", v="us")
    world.settle()
    assert value(world.eu, "nonce") == value(world.us, "nonce") == "us"


def test_a_cut_link_keeps_what_is_under_way(world: World) -> None:
    world.replicator.cut()
    world.eu.put("a", v="1")
    world.us.put("a", v="2")
    world.us.put("b", v="3")
    world.after(60)
    assert (value(world.eu), value(world.us), value(world.eu, "b")) == ("1", "2", None)
    world.replicator.join()
    world.settle()
    assert world.eu.rows == world.us.rows
    assert value(world.eu) == "2"


def test_what_a_dead_region_had_not_handed_on_is_gone(world: World) -> None:
    world.eu.put("a", v="arrives")
    world.after(1.1)
    world.eu.put("b", v="does not")
    world.after(0.1)
    world.replicator.died("eu")
    world.us.put("c", v="goes on")
    world.settle()
    assert sorted(world.us.rows) == ["a", "c"]


def test_a_region_that_does_not_answer_is_dead(world: World) -> None:
    world.eu.put("a", v="1")
    world.eu.gone = True
    world.settle()
    world.us.put("b", v="2")
    world.settle()
    assert sorted(world.us.rows) == ["b"]


def test_a_write_at_the_moment_of_the_copy_is_not_lost(world: World) -> None:
    """A function writes between the look and the copy: the copy gives way, and its region's later write wins."""
    world.us.put("a", v="earlier")
    world.after(0.5)
    world.now += 0.6
    world.eu.before_write = once(lambda: world.eu.put("a", v="later"))
    world.replicator.step()
    assert value(world.eu) == "later"
    world.settle()
    assert (value(world.eu), value(world.us)) == ("later", "later")
    assert world.replicator.counts.repeated == 1


def test_an_attribute_added_at_the_moment_of_the_copy_comes_back(world: World) -> None:
    """No condition can say that a row has no other attribute: such a write is found afterwards, and restored."""
    world.eu.put("a", v="1")
    world.settle()
    world.us.put("a", v="2")
    world.after(0.5)
    world.now += 0.6
    world.eu.before_write = once(lambda: world.eu.put("a", v="1", blocked="yes"))
    world.replicator.step()
    world.settle()
    assert world.eu.rows == world.us.rows
    assert world.eu.rows["a"]["blocked"] == {"S": "yes"}


def test_a_region_that_joins_gets_what_there_is(world: World) -> None:
    world.eu.put("a", v="1")
    world.settle()
    world.us.put("b", v="2")
    late = MemoryTables("ap", lambda: world.now)
    world.replicator.add(late)
    assert sorted(late.rows) == ["a", "b"]
    world.settle()
    assert world.eu.rows == world.us.rows == late.rows


STEPS = st.tuples(
    st.sampled_from(["eu", "us"]),
    st.sampled_from(["put", "add", "delete", "during", "step", "cut", "join"]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 3),
    st.floats(0, 1.5, allow_nan=False),
)


@given(st.lists(STEPS, max_size=30), st.floats(0, 2, allow_nan=False))
@settings(max_examples=100, deadline=None)
def test_both_end_alike_whatever_happens(steps: list[tuple[str, str, str, int, float]], delay: float) -> None:
    world = World()
    world.replicator.delay = delay
    for region, what, row, number, seconds in steps:
        tables: MemoryTables = getattr(world, region)
        if what == "put":
            tables.put(row, v=str(number))
        elif what == "add":
            tables.put(row, v=text(tables.rows.get(row)), more=str(number))
        elif what == "delete":
            tables.delete(row)
        elif what == "during":
            tables.before_write = once(partial(written_between, tables, row))
        elif what == "cut":
            world.replicator.cut()
        elif what == "join":
            world.replicator.join()
        else:
            world.replicator.step()
        world.now += seconds
    world.replicator.join()
    world.settle()
    assert world.eu.rows == world.us.rows


def written_between(tables: MemoryTables, row: str) -> None:
    """What a function writes between replication's look and its copy."""
    tables.put(row, v=text(tables.rows.get(row)), between="")


def text(row: Item | None) -> str:
    return "0" if row is None else str(row["v"]["S"])


def once(act: Callable[[], None]) -> Callable[[], None]:
    """`act`, the first time."""
    waiting = [act]
    return lambda: waiting.pop()() if waiting else None
