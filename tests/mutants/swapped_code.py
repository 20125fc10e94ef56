"""A mutant in a process that has imported the original already: the code of its functions is exchanged.

Importing the project and its tests takes seconds for each mutant, exchanging code none. Not every mutant can be had so:
a constant, a default or a decorator has done its work by then.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

_OF_A_FUNCTION: Final = 0x1  # CO_OPTIMIZED: the body of a module or a class lacks it


class NotSwappable(Exception):
    """The mutant differs in what runs when a module is imported."""


@dataclass(frozen=True, slots=True)
class Swap:
    """The functions of one module whose code differs, before and after."""

    path: Path
    pairs: tuple[tuple[CodeType, CodeType], ...]

    @classmethod
    def between(cls, path: Path, source: str, changed: str) -> Swap:
        """Raises :class:`NotSwappable`."""
        before, after = (compile(text, str(path), "exec", dont_inherit=True) for text in (source, changed))
        return cls(path, tuple(_pairs(before, after)))

    @property
    def first_lines(self) -> frozenset[int]:
        """Where the functions begin."""
        return frozenset(before.co_firstlineno for before, _ in self.pairs)

    def make(self) -> None:
        """Exchange the code of every function that lives. Raises :class:`NotSwappable` where there is none."""
        found = 0
        for function in gc.get_objects():
            if type(function) is FunctionType and function.__code__.co_filename == str(self.path):
                for before, after in self.pairs:
                    if function.__code__ == before:
                        found += 1
                        try:
                            function.__code__ = after
                        except ValueError:  # another number of variables of the function around it
                            raise NotSwappable from None
                        break
        if not found:
            raise NotSwappable


def _pairs(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    if before == after:
        return
    if before.co_flags & _OF_A_FUNCTION:
        yield before, after
    elif _own(before) != _own(after):
        raise NotSwappable
    inner, changed = (
        [constant for constant in code.co_consts if isinstance(constant, CodeType)] for code in (before, after)
    )
    if len(inner) == len(changed):  # else the function around them has new ones
        for one, other in zip(inner, changed, strict=True):
            yield from _pairs(one, other)


def _own(code: CodeType) -> tuple[object, ...]:
    """What a body does, apart from what its functions do."""
    constants = tuple(None if isinstance(value, CodeType) else (type(value), value) for value in code.co_consts)
    return code.co_code, code.co_names, constants, code.co_exceptiontable
