"""Rows of tallies as readers see them: sums by outcome and by reason, and tallies in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from service.tallies.rows import FACTS, OUTCOMES, Cell, Tallies, TallyRow, Why

from tests.unit.service.tallies_in_memory import TalliesInMemory

IOS = ("ios", "1", "18.1", "iPhone16,1", "NL")
ROW = TallyRow(
    "demo",
    "enrol",
    2,
    1_764_250_000,
    cells={
        Cell("accepted", "", IOS): 5,
        Cell("refused", "challenge-spent", IOS): 3,
        Cell("refused", "challenge-spent", ("", "", "", "", "")): 1,
    },
    other={"refused": 4, "accepted": 2},
    other_by_why={Why("refused", "rule:root"): 3, Why("refused", ""): 1, Why("accepted", ""): 2},
)


def test_totals_count_what_went_beyond_the_cells_once() -> None:
    assert ROW.by_outcome() == {"accepted": 7, "refused": 8}
    assert ROW.by_why() == {
        Why("accepted", ""): 7,
        Why("refused", "challenge-spent"): 4,
        Why("refused", "rule:root"): 3,
        Why("refused", ""): 1,
    }


def test_each_source_has_outcomes_and_names_for_its_facts() -> None:
    assert OUTCOMES.keys() == FACTS.keys()
    assert all(Counter(outcomes).most_common(1)[0][1] == 1 for outcomes in OUTCOMES.values())


@pytest.mark.parametrize(("since", "until", "found"), [(0, 4, [0, 2]), (1, 4, [2]), (0, 2, [0]), (0, 1, [0])])
def test_in_memory_a_window_has_its_beginning_and_not_its_end(since: float, until: float, found: list[int]) -> None:
    rows = [replace(ROW, at=at) for at in (2, 0, 6)]
    tallies: Tallies = TalliesInMemory(*rows, replace(ROW, at=0, step=60), replace(ROW, at=0, app="other"))
    assert [row.at for row in tallies.rows("demo", ["renew", "enrol"], step=2, since=since, until=until)] == found
