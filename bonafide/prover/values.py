"""What Cedar's expressions are to the solver.

Texts are sequences, numbers are integers, a set is an array from its elements to truth. Cedar's sets are finite and
arrays need not be; no formula here can tell: whatever an infinite one satisfies, those of its elements that the formula
asks for satisfy as well. Only a refutation is read from such an array, and it is replayed through Cedar before it is
believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import z3
from attestation.appraisal.lint.vocabulary import RECORD, SET, Shape

TRUE: Final = z3.BoolVal(True)
FALSE: Final = z3.BoolVal(False)
SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1

_SORTS: Final = {"Bool": z3.BoolSort, "Long": z3.IntSort, "String": z3.StringSort}


class NotEncoded(Exception):
    """Something that the solver is not told about: an extension function, a type of the future. The message names
    it."""


@dataclass(frozen=True, slots=True)
class Term:
    """A truth value, number, text or set."""

    kind: str
    term: Any
    element: str = ""
    elements: tuple[Term, ...] | None = None
    """Those of a set that is written out."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a record, and whether it is there."""

    present: Any
    value: Value


@dataclass(frozen=True, slots=True)
class Record:
    """A record, or the attributes of an entity."""

    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity of a known type."""

    type: str
    id: Any
    attributes: Record


Value = Term | Record | Entity


def record_of(value: Value) -> Record:
    """A value that is a record. Raises :class:`NotEncoded`."""
    if not isinstance(value, Record):
        raise NotEncoded("a value that is no record")
    return value


def term_of(value: Value) -> Term:
    """A value that is neither a record nor an entity. Raises :class:`NotEncoded`."""
    if not isinstance(value, Term):
        raise NotEncoded("a record or an entity in the place of a value")
    return value


def boolean(term: Any) -> Term:
    """A truth value."""
    return Term("Bool", term)


def literal(value: str | int | bool) -> Term:
    """What is written out."""
    if isinstance(value, bool):
        return Term("Bool", z3.BoolVal(value))
    if isinstance(value, int):
        return Term("Long", z3.IntVal(value))
    return Term("String", text(value))


def text(value: str) -> Any:
    """A text of any characters: z3 reads ``\\u{…}`` in what it is given, so a backslash is spelt that way as well."""
    plain = "".join(sign if 32 <= ord(sign) < 127 and sign != "\\" else f"\\u{{{ord(sign):x}}}" for sign in value)
    return z3.StringVal(plain)


def sort_of(kind: str) -> Any:
    """The solver's sort of a Cedar type that is not a set. Raises :class:`NotEncoded`."""
    made = _SORTS.get(kind)
    if made is None:
        raise NotEncoded(f"the type {kind}")
    return made()


def empty_set(element: str) -> Any:
    """The set without elements."""
    return z3.K(sort_of(element), FALSE)


def unknown(shape: Shape, name: str) -> Value:
    """A value of which the solver knows only its type; ``name`` is its path."""
    if shape.kind == RECORD:
        return Record(
            {
                inner: Member(
                    TRUE if member.required else z3.Bool(f"{name}.{inner}?"), unknown(member.shape, f"{name}.{inner}")
                )
                for inner, member in shape.members.items()
            }
        )
    if shape.kind == SET:
        element = "" if shape.element is None else shape.element.kind
        return Term(SET, z3.Const(name, z3.ArraySort(sort_of(element), z3.BoolSort())), element)
    return Term(shape.kind, z3.Const(name, sort_of(shape.kind)))


def given(shape: Shape, value: Any) -> Value:
    """A value that is known: JSON of this type."""
    if shape.kind == RECORD:
        return Record(
            {
                inner: Member(
                    z3.BoolVal(inner in value),
                    given(member.shape, value[inner]) if inner in value else unknown(member.shape, f"absent.{inner}"),
                )
                for inner, member in shape.members.items()
            }
        )
    if shape.kind == SET:
        return set_of("" if shape.element is None else shape.element.kind, tuple(literal(one) for one in value))
    return literal(value)


def set_of(element: str, elements: tuple[Term, ...]) -> Term:
    """A set that is written out."""
    term = empty_set(element or "String")
    for one in elements:
        term = z3.Store(term, one.term, TRUE)
    return Term(SET, term, element or "String", elements)


def equal(left: Value, right: Value) -> Any:
    """Whether two values are one; values of different types are not."""
    if isinstance(left, Term) and isinstance(right, Term):
        if left.kind != right.kind:
            return FALSE
        if left.kind == SET and left.element != right.element:
            return FALSE if left.elements != () and right.elements != () else _both_empty(left, right)
        return left.term == right.term
    if isinstance(left, Entity) and isinstance(right, Entity):
        return left.id == right.id if left.type == right.type else FALSE
    if isinstance(left, Record) and isinstance(right, Record):
        return z3.And(*(_same(left, right, name) for name in left.members.keys() | right.members.keys()))
    return FALSE


def _both_empty(left: Term, right: Term) -> Any:
    return z3.And(*(one.term == empty_set(one.element) for one in (left, right)))


def _same(left: Record, right: Record, name: str) -> Any:
    one, other = left.members.get(name), right.members.get(name)
    if one is None or other is None:
        there = one or other
        return TRUE if there is None else z3.Not(there.present)
    return z3.And(one.present == other.present, z3.Implies(one.present, equal(one.value, other.value)))


def choice(asked: Any, then: Value, otherwise: Value) -> Value:
    """One of two values, by a truth value. Raises :class:`NotEncoded` for entities that are of two types."""
    if isinstance(then, Term) and isinstance(otherwise, Term) and (then.kind, then.element) == (
        otherwise.kind, otherwise.element,
    ):  # fmt: skip
        return Term(then.kind, z3.If(asked, then.term, otherwise.term), then.element)
    if isinstance(then, Entity) and isinstance(otherwise, Entity) and then.type == otherwise.type:
        attributes = choice(asked, then.attributes, otherwise.attributes)
        return Entity(then.type, z3.If(asked, then.id, otherwise.id), record_of(attributes))
    if isinstance(then, Record) and isinstance(otherwise, Record):
        return Record(
            {
                name: _chosen(asked, then.members.get(name, _NEVER), otherwise.members.get(name, _NEVER))
                for name in then.members.keys() | otherwise.members.keys()
            }
        )
    raise NotEncoded("an if whose branches are of two types")


_NEVER: Final = Member(FALSE, Record({}))


def _chosen(asked: Any, then: Member, otherwise: Member) -> Member:
    present = z3.If(asked, then.present, otherwise.present)
    if then is _NEVER or otherwise is _NEVER:
        return Member(present, otherwise.value if then is _NEVER else then.value)
    return Member(present, choice(asked, then.value, otherwise.value))
