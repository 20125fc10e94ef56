"""What rules can tell apart in a value: a number by the bounds it meets, a text by those that it is compared with.

A patch of five months and one of seven are the same to ``patch_age_months > 24``. So each value is replaced by one that
no rule can tell from it: equal questions then get one evaluation, and no verdict changes. A path that is read in
any other way than by comparing it with literals keeps its value.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attestation.appraisal.cedar.expressions import (
    Expression,
    Literal,
    comparison_of,
    conditions_of,
    membership_of,
    operator_of,
    path_of,
)

Path = tuple[str, ...]
Stand = Callable[[Any], Any]
"""From a value to the one that stands for it."""

_LEAST: Final = -(2**63)
_GREATEST: Final = 2**63 - 1
_EQUALITY: Final = ("==", "!=")


def stands_for(rules: Iterable[Mapping[str, Any]]) -> dict[Path, Stand]:
    """What stands for the values of each path that ``rules`` (Cedar's JSON) do nothing but compare with literals."""
    gathered = _Gathered()
    for rule in rules:
        for condition in conditions_of(rule):
            gathered.visit(condition)
    return {
        path: stand
        for path, literals in gathered.compared.items()
        if not any(path[:length] in gathered.otherwise for length in range(1, len(path) + 1))
        and (stand := _stand(literals, is_set=path in gathered.sets)) is not None
    }


class _Gathered:
    def __init__(self) -> None:
        self.compared: dict[Path, set[Literal]] = {}
        self.sets: set[Path] = set()
        self.otherwise: set[Path] = set()

    def visit(self, expression: Expression) -> None:
        comparison = comparison_of(expression)
        if comparison is not None:
            ordered = comparison.operator not in _EQUALITY
            if ordered is (type(comparison.value) is int) or not ordered:
                self._note(comparison.path, (comparison.value,), is_set=False)
            else:
                self.otherwise.add(comparison.path)
            return
        membership = membership_of(expression)
        if membership is not None:
            if operator_of(expression) == "containsAll" and path_of(expression["containsAll"]["left"]) is None:
                self.otherwise.add(membership.path)  # asks whether the set holds anything else
            else:
                self._note(membership.path, membership.values, is_set=membership.path_is_set)
            return
        path = path_of(expression)
        if path is not None:
            self.otherwise.add(path)
            return
        for operator, inner in expression.items():
            if operator == "has" and path_of(inner["left"]) is not None:
                continue  # whether a value is there does not change
            if operator == "Record":
                self._visit_all(inner.values())
            elif operator not in ("Value", "Var"):
                self._visit_all(inner.values() if isinstance(inner, Mapping) else inner)

    def _visit_all(self, parts: Iterable[Any]) -> None:
        for part in parts:
            if isinstance(part, Mapping):
                self.visit(part)

    def _note(self, path: Path, values: Iterable[Literal], *, is_set: bool) -> None:
        known = self.compared.setdefault(path, set())
        if known and (path in self.sets) is not is_set:
            self.otherwise.add(path)
        if is_set:
            self.sets.add(path)
        known.update(values)


def _stand(literals: set[Literal], *, is_set: bool) -> Stand | None:
    kinds = {type(literal) for literal in literals}
    if kinds == {str}:
        texts = frozenset(str(literal) for literal in literals)
        return _set_stand(texts) if is_set else _text_stand(texts)
    if kinds == {int}:
        numbers = sorted(int(literal) for literal in literals)
        return _set_stand(frozenset(numbers)) if is_set else _number_stand(numbers)
    return None


def _text_stand(texts: frozenset[str]) -> Stand:
    other = "other"
    while other in texts:
        other += "*"
    return lambda value: value if type(value) is not str or value in texts else other


def _number_stand(numbers: list[int]) -> Stand:
    """A number stands for all between the same two bounds."""
    below = max(numbers[0] - 1, _LEAST)

    def stand(value: Any) -> Any:
        # Not a number, or more than Cedar holds: an error there, and it stays one.
        if type(value) is not int or not _LEAST <= value <= _GREATEST:
            return value
        place = bisect_left(numbers, value)
        if place < len(numbers) and numbers[place] == value:
            return value
        return numbers[place - 1] + 1 if place else below

    return stand


def _set_stand(asked: frozenset[Any]) -> Stand:
    """Of a set, what is asked for; in one order, which means nothing to Cedar."""
    kind = str if any(type(one) is str for one in asked) else int

    def stand(value: Any) -> Any:
        if type(value) is not list or any(type(element) is not kind for element in value):
            return value
        return sorted(asked.intersection(value)) if value else value

    return stand
