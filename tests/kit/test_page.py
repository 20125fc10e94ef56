"""docs/client-kit.md has the rules and the scenarios that the code has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from devkit.kit.catalogue import SCENARIOS
from devkit.kit.rules import Rule
from tests.kit.page_tables import rule_rows, scenario_rows

_PAGE = Path(__file__).parents[2] / "docs/client-kit.md"


@pytest.mark.parametrize("rows", [rule_rows(), scenario_rows()], ids=["rules", "scenarios"])
def test_table_is_the_codes(rows: list[str]) -> None:
    """Every row, in the code's order, and no others between."""
    lines = _PAGE.read_text("utf-8").splitlines()
    first = lines.index(rows[0])
    assert lines[first : first + len(rows) + 1] == [*rows, ""]


def test_every_rule_is_what_a_scenario_is_for_or_is_judged_always() -> None:
    """No name in the list is without use."""
    assert _unused(rule for one in SCENARIOS.values() for rule in one.rules) == {
        "request-form",
        "client-data-form",
        "evidence-bound",
        "protocol",
    }


def _unused(named: Iterable[Rule]) -> set[str]:
    return {rule.value for rule in Rule} - {rule.value for rule in named}
