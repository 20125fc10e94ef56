"""The number of different keys is estimated to a few percent, in bounded space, and sketches add up."""

from __future__ import annotations

import math

import pytest
from bonafide_tokens.counting.key_sketch import REGISTERS, STANDARD_ERROR, KeySketch
from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import b64url_encode


def sketch(*names: str) -> KeySketch:
    found = KeySketch()
    for name in names:
        found.add(name)
    return found


def keys(begin: int, end: int) -> list[str]:
    return [f"key-{number}" for number in range(begin, end)]


@pytest.mark.parametrize("number", [1, 10, 100, 1_000, 10_000])
def test_estimate_is_within_the_stated_error(number: int) -> None:
    """Of ten sets of keys, the errors' root mean square is near the standard error, and no set is off by four."""
    errors = [sketch(*keys(start, start + number)).estimate() / number - 1 for start in range(0, 200_000, 20_000)]
    assert max(map(abs, errors)) <= 4 * STANDARD_ERROR
    assert math.sqrt(sum(error * error for error in errors) / len(errors)) <= 1.5 * STANDARD_ERROR


def test_nothing_is_none_and_a_key_counts_once() -> None:
    assert KeySketch().estimate() == 0
    assert round(sketch("a", "a", "a").estimate()) == 1


def test_merged_sketches_are_the_sketch_of_all_keys() -> None:
    """In any order, over processes and time, keys in both counted once."""
    one, two = sketch(*keys(0, 700)), sketch(*keys(500, 1_500))
    both = sketch(*keys(0, 1_500))
    one.merge(two)
    assert one.to_text() == both.to_text()
    one.merge(KeySketch())
    assert one.to_text() == both.to_text()


def test_text_is_small_and_read_back() -> None:
    """Two bytes a register."""
    full = sketch(*keys(0, 30_000))
    assert len(full.to_text()) <= math.ceil(REGISTERS * 2 * 4 / 3)
    assert len(sketch("a").to_text()) == 3
    assert KeySketch.from_text(full.to_text()).estimate() == full.estimate()
    assert KeySketch.from_text("").estimate() == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",  # half a register
        bytes([0, 1, 0, 2]),  # one register twice
        bytes([1, 1, 0, 1]),  # not in order
        bytes([0, 0]),  # a register of rank zero
        bytes([0, 56]),  # a rank that 54 bits cannot have
    ],
)
def test_what_no_sketch_writes_is_not_read(data: bytes) -> None:
    with pytest.raises(Malformed):
        KeySketch.from_text(b64url_encode(data))


def test_text_with_half_a_surrogate_pair_is_a_key_as_well() -> None:
    """Key ids are a client's word before its evidence is verified."""
    assert round(sketch("\ud83d").estimate()) == 1
