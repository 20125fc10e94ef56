"""Remembered rows are those of the table, and what is new is read each time."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from service.tallies.rows import TallyRow
from service.view.remembered_rows import KEPT, RememberedTallies

from tests.unit.service.tallies_in_memory import TalliesInMemory
from tests.unit.view.tally_rows import APP, FRESH, row


class Counting(TalliesInMemory):
    """Notes what is read."""

    def __init__(self, *rows: TallyRow) -> None:
        super().__init__(*rows)
        self.read: list[tuple[int, int, int]] = []

    def rows(self, app: str, sources: Sequence[str], *, step: int, since: float, until: float) -> Sequence[TallyRow]:
        self.read.append((step, int(since), int(until)))
        return super().rows(app, sources, step=step, since=since, until=until)


def asked(tallies: RememberedTallies | TalliesInMemory, since: int, until: int, step: int = 2) -> list[int]:
    return [one.at for one in tallies.rows(APP, ["enrol", "renew"], step=step, since=since, until=until)]


@given(
    st.lists(st.tuples(st.sampled_from(["enrol", "renew", "signal"]), st.integers(-500, 60)), max_size=30, unique=True),
    st.lists(st.tuples(st.integers(-900, 0), st.integers(0, 60), st.integers(0, 50)), min_size=1, max_size=6),
    st.sampled_from([2, 60]),
)
def test_answers_are_the_tables(kept: list[tuple[str, int]], polls: list[tuple[int, int, int]], step: int) -> None:
    """Whatever is asked, in whatever order."""
    table = TalliesInMemory(*(row(source, (FRESH // step + place) * step, step=step) for source, place in kept))
    now = [float(FRESH)]
    tallies = RememberedTallies(table, clock=lambda: now[0])
    for back, length, later in polls:
        now[0] += later
        since = FRESH + back * step // 2
        until = since + length * step
        assert asked(tallies, since, until, step) == asked(table, since, until, step)


def test_what_is_over_is_read_once_in_a_while_and_what_is_new_each_time() -> None:
    """A console's polls of a quarter of an hour read the newest two minutes."""
    table, now = Counting(), [float(FRESH)]
    tallies = RememberedTallies(table, clock=lambda: now[0])
    asked(tallies, FRESH - 900, FRESH + 10)
    table.read.clear()
    for second in range(2, 20, 2):
        now[0] = FRESH + second
        asked(tallies, FRESH - 900, FRESH + 20)
    assert {until - since for _, since, until in table.read} <= {120, 180}
    assert len(table.read) == 9
    now[0] = FRESH + KEPT + 1
    table.read.clear()
    asked(tallies, FRESH - 900, FRESH + 40)
    ((_, since, until),) = table.read
    assert until - since > 900


def test_count_that_comes_late_is_seen_when_the_memory_is_over() -> None:
    """And one of the newest minute at once."""
    table, now = Counting(), [float(FRESH)]
    tallies = RememberedTallies(table, clock=lambda: now[0])
    assert asked(tallies, FRESH - 900, FRESH + 10) == []
    table.kept += [row("enrol", FRESH - 600), row("enrol", FRESH - 4)]
    assert asked(tallies, FRESH - 900, FRESH + 10) == [FRESH - 4]
    now[0] += KEPT
    assert asked(tallies, FRESH - 900, FRESH + 10) == [FRESH - 600, FRESH - 4]


def test_memory_is_bounded() -> None:
    """A table of a thousand apps is not held: what was read first goes first."""
    table = Counting()
    tallies = RememberedTallies(table, clock=lambda: float(FRESH))
    for app in range(700):
        tallies.rows(f"app-{app}", ["enrol"], step=2, since=FRESH - 900, until=FRESH)
    assert tallies._held <= 6_000
    assert len(tallies._known) <= 6_000
