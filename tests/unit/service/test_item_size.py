"""Sizes and units by Amazon's rules; tests/integration/test_write_units.py compares with what a stand-in charges."""

from __future__ import annotations

from typing import Any

import pytest
from service.items.item_size import item_size, read_units, value_size, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "größe"}, 7),
        ({"B": b"\x00" * 65}, 65),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "1780000001"}, 6),
        ({"N": "1780000000"}, 3),
        ({"N": "-27"}, 3),
        ({"N": "0.5"}, 2),
        ({"N": "12345678901234567890123456789012345678"}, 20),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "22"]}, 4),
        ({"BS": [b"ab"]}, 2),
        ({"L": []}, 3),
        ({"L": [{"S": "a"}, {"N": "1"}]}, 3 + 1 + 1 + 1 + 2),
        ({"M": {}}, 3),
        ({"M": {"until": {"N": "17"}}}, 3 + 1 + 5 + 2),
    ],
)
def test_size_of_a_value(value: dict[str, Any], size: int) -> None:
    """By type."""
    assert value_size(value) == size
    assert item_size({"name": value}) == 4 + size


def test_type_that_there_is_not_is_an_error() -> None:
    """A table of sizes with nothing in it must not look cheap."""
    with pytest.raises(ValueError, match="no type X"):
        value_size({"X": "y"})


@pytest.mark.parametrize(("size", "units"), [(0, 1), (1, 1), (1024, 1), (1025, 2), (3584, 4)])
def test_write_units(size: int, units: int) -> None:
    """One per kilobyte begun; a transaction takes twice as many."""
    assert write_units(size) == units
    assert write_units(size, transaction=True) == 2 * units


@pytest.mark.parametrize(("size", "units"), [(0, 1), (4096, 1), (4097, 2)])
def test_read_units(size: int, units: int) -> None:
    """One per four kilobytes begun; half as many where an older state will do."""
    assert read_units(size, consistent=True) == units
    assert read_units(size, consistent=False) == units / 2
