"""The encoding against Cedar, in small; ``python -m tests.prover`` does it at length, and mutates each operator."""

from __future__ import annotations

import pytest

from tests.prover.agreement import compared
from tests.prover.mutants import mutated

pytestmark = pytest.mark.long


def test_random_drafts_and_facts_are_judged_as_cedar_judges_them() -> None:
    tally = compared(20261127, 12)

    assert tally.differing == []
    assert tally.compared == 24


@pytest.mark.parametrize("mutant", ["&&: another value", "has: another value"])
def test_wrong_operator_is_seen(mutant: str) -> None:
    with mutated(mutant):
        assert compared(3, 60, until_one_differs=True).differing
