"""Conditions as logic: whether several can hold at once, as far as can be seen without running them.

Two rules contradict each other, or one covers another, when no facts satisfy a certain formula. The search is bounded;
where it gives up, the answer is "yes, that can be", so nothing is ever claimed that was not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from attestation.appraisal.cedar import expressions as ex
from attestation.appraisal.cedar.expressions import Expression
from attestation.appraisal.lint.vocabulary import PRINCIPAL, closed_values, vocabulary

MAX_STEPS: Final = 4000


@dataclass(frozen=True, slots=True)
class Atom:
    """A condition that is not taken apart any further, or its negation."""

    expression: Expression
    positive: bool


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no part it is true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds; with no part it is false."""

    parts: tuple[Formula, ...]


Formula = Atom | All | Some
CanHold = Callable[[Sequence[Formula], str], bool]
"""Whether formulas can all hold at once for a key of a type. ``False`` is a claim; what is not known is ``True``."""
TRUE: Final = All(())
FALSE: Final = Some(())


def formula_of(expression: Expression, *, positive: bool = True) -> Formula:
    """``expression``, or its negation, with negations pushed inwards to the atoms."""
    operator = ex.operator_of(expression)
    inner: Any = expression.get(operator)
    if operator == "Value" and isinstance(inner, bool):
        return TRUE if inner is positive else FALSE
    match operator:
        case "!":
            return formula_of(inner["arg"], positive=not positive)
        case "!=":
            return formula_of({"==": inner}, positive=not positive)
        case "&&" | "||":
            parts = (formula_of(inner["left"], positive=positive), formula_of(inner["right"], positive=positive))
            return every(parts) if (operator == "&&") is positive else some(parts)
        case "if-then-else":
            return _branch(inner, positive)
    return Atom(expression, positive)


def _branch(inner: Mapping[str, Any], positive: bool) -> Formula:
    then, otherwise = (formula_of(inner[name], positive=positive) for name in ("then", "else"))
    asked, denied = formula_of(inner["if"]), formula_of(inner["if"], positive=False)
    if then == TRUE:
        return some((asked, otherwise))
    if otherwise == TRUE:
        return some((denied, then))
    return some((every((asked, then)), every((denied, otherwise))))


def every(parts: Iterable[Formula]) -> Formula:
    """All of ``parts``, simplified."""
    kept = [part for part in parts if part != TRUE]
    return FALSE if FALSE in kept else kept[0] if len(kept) == 1 else All(tuple(kept))


def some(parts: Iterable[Formula]) -> Formula:
    """Any of ``parts``, simplified."""
    kept = [part for part in parts if part != FALSE]
    return TRUE if TRUE in kept else kept[0] if len(kept) == 1 else Some(tuple(kept))


def negation(formula: Formula) -> Formula:
    """The opposite of ``formula``."""
    match formula:
        case Atom(expression, positive):
            return Atom(expression, not positive)
        case All(parts):
            return some(negation(part) for part in parts)
        case Some(parts):
            return every(negation(part) for part in parts)


def atoms_of(formula: Formula) -> Iterable[Atom]:
    """Every atom, with the sign that it has."""
    if isinstance(formula, Atom):
        yield formula
    else:
        for part in formula.parts:
            yield from atoms_of(part)


def for_kind(formula: Formula, kind: str) -> Formula:
    """``formula`` for keys of one type: what the type alone decides is true or false."""
    match formula:
        case All(parts):
            return every(for_kind(part, kind) for part in parts)
        case Some(parts):
            return some(for_kind(part, kind) for part in parts)
        case Atom(expression, positive):
            known = _decided(expression, kind)
            return formula if known is None else TRUE if known is positive else FALSE


def _decided(expression: Expression, kind: str) -> bool | None:
    if "is" in expression and ex.path_of(expression["is"]["left"]) == (PRINCIPAL,):
        return False if expression["is"]["entity_type"] != kind else None if "in" in expression["is"] else True
    path = ex.presence_of(expression)
    if path is None:
        return None
    member = vocabulary().member(path, kind)
    return False if member is None else True if member.required else None


def satisfiable(formulas: Sequence[Formula], kind: str) -> bool:
    """Whether all of ``formulas`` can hold at once for a key of this type. ``True`` also where it cannot be seen."""
    search = _Search(kind)
    try:
        return search.possible([for_kind(formula, kind) for formula in formulas], _Facts())
    except (_GivenUp, RecursionError):
        return True


class _GivenUp(Exception):
    pass


@dataclass(slots=True)
class _Range:
    """What is known of one attribute: the values left to it (``None``: any), those it has not, and its bounds."""

    allowed: frozenset[Any] | None = None
    excluded: frozenset[Any] = frozenset()
    low: int | None = None
    high: int | None = None

    @property
    def empty(self) -> bool:
        if self.low is not None and self.high is not None and self.low > self.high:
            return True
        return self.allowed is not None and not any(self._takes(value) for value in self.allowed - self.excluded)

    def _takes(self, value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return True
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(slots=True)
class _Facts:
    ranges: dict[tuple[str, ...], _Range] = field(default_factory=dict)
    others: dict[str, bool] = field(default_factory=dict)

    def copy(self) -> _Facts:
        ranges = {path: _Range(r.allowed, r.excluded, r.low, r.high) for path, r in self.ranges.items()}
        return _Facts(ranges, dict(self.others))


class _Search:
    """A search for facts, branch by branch, with what each branch has fixed so far."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._steps = 0

    def possible(self, pending: list[Formula], facts: _Facts) -> bool:
        choices: list[tuple[Formula, ...]] = []
        pending = list(pending)
        while pending:
            match pending.pop():
                case Atom() as atom:
                    if not self._learn(atom, facts):
                        return False
                case All(parts):
                    pending.extend(parts)
                case Some(parts):
                    choices.append(parts)
        if not choices:
            return True
        # What the facts rule out already needs no branch; the narrowest choice goes first.
        open_choices = sorted((self._open(parts, facts) for parts in choices), key=len)
        first, rest = open_choices[0], [Some(parts) for parts in open_choices[1:]]
        return any(self.possible([part, *rest], facts.copy()) for part in first)

    def _open(self, parts: tuple[Formula, ...], facts: _Facts) -> tuple[Formula, ...]:
        return tuple(p for p in parts if not isinstance(p, Atom) or self._learn(p, facts.copy()))

    def _learn(self, atom: Atom, facts: _Facts) -> bool:
        """Add ``atom`` to ``facts``; ``False`` when it contradicts them."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise _GivenUp
        known = self._known_values(atom)
        if known is not None:
            path, values, holds = known
            entry = self._range(facts, path)
            if holds:
                entry.allowed = values if entry.allowed is None else entry.allowed & values
            else:
                entry.excluded |= values
            return not entry.empty
        comparison = ex.comparison_of(atom.expression)
        if comparison is not None and isinstance(comparison.value, int) and comparison.operator != "==":
            entry = self._range(facts, comparison.path)
            _bound(entry, comparison.operator, comparison.value, atom.positive)
            return not entry.empty
        return facts.others.setdefault(ex.key_of(atom.expression), atom.positive) is atom.positive

    def _range(self, facts: _Facts, path: tuple[str, ...]) -> _Range:
        if path not in facts.ranges:
            member = vocabulary().member(path, self._kind)
            truth = frozenset({True, False}) if member is not None and member.shape.kind == "Bool" else None
            facts.ranges[path] = _Range(allowed=truth or closed_values(path, self._kind))
        return facts.ranges[path]

    def _known_values(self, atom: Atom) -> tuple[tuple[str, ...], frozenset[Any], bool] | None:
        """The attribute, the values and whether it has one of them, where an atom says such a thing."""
        expression = atom.expression
        comparison = ex.comparison_of(expression)
        if comparison is not None and comparison.operator == "==":
            return comparison.path, frozenset({comparison.value}), atom.positive
        membership = ex.membership_of(expression)
        if membership is not None and not membership.path_is_set:
            return membership.path, frozenset(membership.values), atom.positive
        path = ex.path_of(expression)
        if path is not None:
            return path, frozenset({True}), atom.positive
        if "like" in expression:
            path = ex.path_of(expression["like"]["left"])
            closed = None if path is None else closed_values(path, self._kind)
            if path is not None and closed is not None:
                return path, matching(closed, expression["like"]["pattern"]), atom.positive
        if (entity := _entity_compared(expression)) is not None:
            return entity[0], frozenset({entity[1]}), atom.positive
        return None


def matching(values: Iterable[str], pattern: Sequence[Any]) -> frozenset[str]:
    """Those of ``values`` that Cedar's ``like`` takes for ``pattern`` (its JSON form)."""
    signs = {"[": "[[]", "*": "[*]", "?": "[?]"}
    glob = "".join(
        "*" if part == "Wildcard" else "".join(signs.get(sign, sign) for sign in part["Literal"]) for part in pattern
    )
    return frozenset(value for value in values if fnmatchcase(value, glob))


def _entity_compared(expression: Expression) -> tuple[tuple[str, ...], str] | None:
    if "==" not in expression:
        return None
    left, right = expression["=="]["left"], expression["=="]["right"]
    for one, other in ((left, right), (right, left)):
        path, value = ex.path_of(one), other.get("Value")
        if path is not None and isinstance(value, Mapping):
            return path, ex.key_of(value)
    return None


def _bound(entry: _Range, operator: str, value: int, positive: bool) -> None:
    if not positive:
        operator = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[operator]
    if operator in ("<", "<="):
        high = value - (operator == "<")
        entry.high = high if entry.high is None else min(entry.high, high)
    else:
        low = value + (operator == ">")
        entry.low = low if entry.low is None else max(entry.low, low)
