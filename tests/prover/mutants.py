"""Deliberately wrong encodings of each operator: with any of them, agreement with Cedar must break."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import z3

from bonafide.prover import encoding
from bonafide.prover.encoding import OPERATORS, Request, Result, evaluated
from bonafide.prover.values import FALSE, Entity, Record, Term, boolean, empty_set, text

Encode = Callable[[Any, Request], Result]


def _spoilt(encode: Encode) -> Encode:
    """The operator with another value."""

    def wrong(inner: Any, request: Request) -> Result:
        value, fails = encode(inner, request)
        match value:
            case Term("Bool"):
                return Result(boolean(z3.Not(value.term)), fails)
            case Term("Long"):
                return Result(Term("Long", value.term + 1), fails)
            case Term("String"):
                return Result(Term("String", z3.Concat(value.term, text("x"))), fails)
            case Term():
                return Result(Term(value.kind, empty_set(value.element), value.element), fails)
            case Entity():
                return Result(Entity(value.type, z3.Concat(value.id, text("x")), value.attributes), fails)
            case Record():
                return Result(Record({}), fails)
        raise AssertionError("unreachable")

    return wrong


def _eager(operator: str) -> Encode:
    """``&&`` and ``||`` that look at both sides, so that what the first one guards fails."""
    joined = {"&&": z3.And, "||": z3.Or}[operator]

    def wrong(inner: Any, request: Request) -> Result:
        left, right = evaluated(inner["left"], request), evaluated(inner["right"], request)
        truths = (one.value.term for one in (left, right) if isinstance(one.value, Term))
        return Result(boolean(joined(*truths)), z3.Or(left.fails, right.fails))

    return wrong


def _unbounded(encode: Encode) -> Encode:
    """Numbers without an end."""

    def wrong(inner: Any, request: Request) -> Result:
        parts = [evaluated(inner[name], request) for name in ("left", "right", "arg") if name in inner]
        return Result(encode(inner, request).value, z3.Or(*(part.fails for part in parts)))

    return wrong


def _never_fails(encode: Encode) -> Encode:
    """An attribute that is absent, and read all the same."""

    def wrong(inner: Any, request: Request) -> Result:
        return Result(encode(inner, request).value, FALSE)

    return wrong


def _as(other: str) -> Encode:
    return lambda inner, request: OPERATORS_OF_CEDAR[other](inner, request)


OPERATORS_OF_CEDAR: Final[Mapping[str, Encode]] = dict(OPERATORS)

MUTANTS: Final[Mapping[str, tuple[str, Encode]]] = {
    **{f"{name}: another value": (name, _spoilt(encode)) for name, encode in OPERATORS_OF_CEDAR.items()},
    "&&: looks at both sides": ("&&", _eager("&&")),
    "||: looks at both sides": ("||", _eager("||")),
    **{f"{name}: no overflow": (name, _unbounded(OPERATORS_OF_CEDAR[name])) for name in ("+", "-", "*")},
    "<: as <=": ("<", _as("<=")),
    "<=: as <": ("<=", _as("<")),
    ">: as >=": (">", _as(">=")),
    ">=: as >": (">=", _as(">")),
    "containsAny: as containsAll": ("containsAny", _as("containsAll")),
    "containsAll: as containsAny": ("containsAll", _as("containsAny")),
}
"""By name: the operator, and how it is encoded wrongly."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The prover with one of :data:`MUTANTS`."""
    operator, wrong = MUTANTS[name]
    encoding.OPERATORS[operator] = wrong
    try:
        yield
    finally:
        encoding.OPERATORS[operator] = OPERATORS_OF_CEDAR[operator]
