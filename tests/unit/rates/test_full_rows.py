"""Rows of a busy app are full: what has no room in them must not make a rare value look as if all of it failed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from service.detection.rates.failing_build import FailingBuild, _count
from service.detection.rates.watched import Value, Values
from service.tallies.rows import Cell, TallyRow

AT = 1_795_000_020
OS = Value("os", "ios", "iOS 18.2.0")
USUAL = Cell("accepted", "", ("ios", "4300", "iOS 18.1", "iPhone17,1", "DE"))
REFUSED = Cell("refused", "challenge-expired", ("ios", "4300", OS.name, "iPhone17,1", "DE"))


def watched(refused: int, other: Mapping[str, int]) -> tuple[int, int]:
    """What is counted of a new OS: refused and accepted."""
    values = Values(first=AT - 90 * 86_400, usual={"ios": [100.0, 9_900.0]})
    for name in ("4300",):
        values.learn(Value("build", "ios", name), AT // 86_400)
    values.learn(Value("os", "ios", "iOS 18.1"), AT // 86_400)
    values.learn(Value("model", "ios", "iPhone17,1"), AT // 86_400)
    row = TallyRow(
        app="bank", source="renew", step=60, at=AT, cells={USUAL: 900, REFUSED: refused}, other=other, keys={},
        bundle=None, delay=0.0,
    )  # fmt: skip
    _count(values, [row], ("accepted", "refused"))
    return values.watched[OS].refused, values.watched[OS].accepted


@pytest.mark.parametrize(
    ("refused", "rest", "accepted"),
    [
        (2, 0, 0),
        (2, 50, 50),  # as many as the row has
        (2, 500, 102),  # as many as an ordinary value has, whose refusals are counted twice as usual
        (20, 100, 100),
    ],
)
def test_acceptances_that_found_no_room_count_for_a_value(refused: int, rest: int, accepted: int) -> None:
    found = watched(refused, {"accepted": rest} if rest else {})
    assert found[0] == refused
    assert found[1] == pytest.approx(accepted, abs=5)


def test_refusals_without_room_say_nothing_for_it() -> None:
    assert watched(2, {"refused": 500}) == (2, 0)
    assert FailingBuild().name == "failing-build"
