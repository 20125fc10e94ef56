"""Exchanging the code of functions that are in use: what a mutant changes takes effect, and what cannot is said."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutants.swapped_code import NotSwappable, Swap

SOURCE = """
from functools import cache

LIMIT = 5

def above(value, most=LIMIT):
    return value > most

class Box:
    def any_above(self, values):
        return any(above(value) for value in values)

@cache
def kept(value):
    return value + 1
"""


def _loaded(path: Path) -> ModuleType:
    path.write_text(SOURCE, "utf-8")
    spec = importlib.util.spec_from_file_location("swapped", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_function_that_others_hold_does_what_the_mutant_does(tmp_path: Path) -> None:
    """Names bound elsewhere before the exchange see it as well: a function, a method, what a decorator wraps."""
    module = _loaded(tmp_path / "swapped.py")
    above, box, kept = module.above, module.Box(), module.kept
    assert not above(5)
    changes = ("value > most", "value >= most"), ("any(above", "all(above"), ("value + 1", "value - 1")
    for before, after in changes:
        Swap.between(tmp_path / "swapped.py", SOURCE, SOURCE.replace(before, after)).make()
    assert above(5)
    assert not box.any_above([4, 6])
    assert kept(1) == 0


@pytest.mark.parametrize(
    "change",
    [("LIMIT = 5", "LIMIT = 6"), ("most=LIMIT", "most=7"), ("@cache\n", ""), ("class Box:", "class Box(dict):")],
    ids=["constant", "default", "decorator", "base class"],
)
def test_what_runs_at_import_is_not_exchanged(tmp_path: Path, change: tuple[str, str]) -> None:
    """It has run by then."""
    with pytest.raises(NotSwappable):
        Swap.between(tmp_path / "swapped.py", SOURCE, SOURCE.replace(*change))


def test_module_that_was_not_imported_has_nothing_to_exchange(tmp_path: Path) -> None:
    """To say that no test noticed would be false."""
    swap = Swap.between(tmp_path / "absent.py", SOURCE, SOURCE.replace("value > most", "value < most"))
    with pytest.raises(NotSwappable):
        swap.make()
