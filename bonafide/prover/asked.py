"""Facts for the solver: unknown ones, known ones, and the facts that a model of the solver's stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import z3
from attestation.appraisal.facts import INCIDENT_SETS, SIGNALS, Facts
from attestation.appraisal.lint.vocabulary import (
    APP_TYPE,
    CONTEXT,
    PRINCIPAL,
    RECORD,
    SET,
    Shape,
    closed_values,
    vocabulary,
)

from bonafide.prover.encoding import NO_ATTRIBUTES, Request
from bonafide.prover.values import (
    LARGEST,
    SMALLEST,
    TRUE,
    Entity,
    Record,
    Term,
    Value,
    empty_set,
    given,
    record_of,
    term_of,
    text,
    unknown,
)

_NAMES: Final = 64
"""Characters of a text that a model chooses, at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Facts as a statement sees them: the key of a type, its app, and the request."""

    kind: str
    principal: Entity
    resource: Entity
    context: Record

    def request(self, action: str) -> Request:
        """The question whether a key may do something."""
        return Request(self.principal, action, self.resource, self.context)


def any_facts(kind: str, name: str = "", *, of_secrets: bool = False) -> Asked:
    """All facts of a type of key; ``name`` keeps two of them apart. ``of_secrets``: with the facts that only rules
    about secrets have."""
    known = vocabulary()
    shape = Shape(RECORD, {**known.context.members, **known.release.members}) if of_secrets else known.context
    claims, context = unknown(known.keys[kind], f"{name}{PRINCIPAL}"), unknown(shape, f"{name}{CONTEXT}")
    return Asked(
        kind,
        Entity(kind, z3.String(f"{name}{PRINCIPAL}#"), record_of(claims)),
        Entity(APP_TYPE, z3.String(f"{name}resource#"), NO_ATTRIBUTES),
        record_of(context),
    )


def these_facts(facts: Facts) -> Asked:
    """Facts that are known."""
    known = vocabulary()
    claims, context = given(known.keys[facts.kind], facts.claims), given(known.context, facts.context)
    return Asked(
        facts.kind,
        Entity(facts.kind, text(facts.key_id), record_of(claims)),
        Entity(APP_TYPE, text(facts.app), NO_ATTRIBUTES),
        record_of(context),
    )


def with_signals(asked: Asked, more: Asked) -> Asked:
    """The facts ``asked`` with the signals of ``more``."""
    members = {**asked.context.members, "signals": more.context.members["signals"]}
    return Asked(asked.kind, asked.principal, asked.resource, Record(members))


def fewer_signals(fewer: Asked, more: Asked) -> Any:
    """That every signal of ``fewer`` is one of ``more``, said in the same way."""
    one, other = (record_of(asked.context.members["signals"].value) for asked in (fewer, more))
    parts = []
    for name, member in one.members.items():
        there = other.members[name]
        parts.append(z3.Implies(member.present, there.present))
        if name in SIGNALS:
            parts += [z3.Implies(member.present, same) for same in _same(member.value, there.value)]
        else:
            parts.append(z3.Implies(member.present, z3.IsSubset(_term(member.value), _term(there.value))))
    return z3.And(*parts)


def _term(value: Value) -> Any:
    return term_of(value).term


def _same(one: Value, other: Value) -> Iterator[Any]:
    for name, member in record_of(one).members.items():
        there = record_of(other).members[name]
        yield member.present == there.present
        yield _term(member.value) == _term(there.value)


def possible(asked: Asked) -> Any:
    """What holds for every device: each as :data:`CONSTRAINTS` says it."""
    return z3.And(*_ranges(asked), *_listed(asked))


CONSTRAINTS: Final = (
    "A number has 64 bits, and a text that the schema calls closed has one of its values.",
    "A patch level has an age only where it is a month that there is (patch_known).",
    "A Play verdict tells of a high risk of spoofing only with a label that says so (location_spoofing).",
)


def _listed(asked: Asked) -> Iterator[Any]:
    claims = asked.principal.attributes.members
    if asked.kind == "Android":
        known, age = claims["patch_known"].value, claims["patch_age_months"].present
        yield z3.Implies(age, _term(known))
        play = record_of(claims["play"].value).members
        risk, labels = (_term(play[name].value) for name in ("location_high_risk", "location_spoofing"))
        yield z3.Implies(risk, labels != empty_set("String"))


def _ranges(asked: Asked) -> Iterator[Any]:
    for path, shape, value in _leaves(asked):
        term = _term(value)
        if shape.kind == "Long":
            yield z3.And(term >= SMALLEST, term <= LARGEST)
        closed = closed_values(path, asked.kind)
        if closed is None:
            continue
        if shape.kind == SET:
            allowed = empty_set("String")
            for one in sorted(closed):
                allowed = z3.Store(allowed, text(one), TRUE)
            yield z3.IsSubset(term, allowed)
        else:
            yield z3.Or(*(term == text(one) for one in sorted(closed)))


def _leaves(asked: Asked) -> Iterator[tuple[tuple[str, ...], Shape, Value]]:
    known = vocabulary()
    members = {**known.release.members, **known.context.members}
    context = Shape(RECORD, {name: members[name] for name in asked.context.members})
    for path, shape, value in (
        ((PRINCIPAL,), known.keys[asked.kind], asked.principal.attributes),
        ((CONTEXT,), context, asked.context),
    ):
        yield from _below(path, shape, value)


def _below(path: tuple[str, ...], shape: Shape, value: Value) -> Iterator[tuple[tuple[str, ...], Shape, Value]]:
    if shape.kind != RECORD and not isinstance(value, Record):
        yield path, shape, value
        return
    for name, member in shape.members.items():
        yield from _below((*path, name), member.shape, record_of(value).members[name].value)


def plain_wishes(asked: Asked) -> Iterator[Any]:
    """That optional members are absent, sets empty, numbers zero: each by itself."""
    for record in (asked.context, asked.principal.attributes):
        yield from _wishes(record)


def _wishes(record: Record) -> Iterator[Any]:
    for member in record.members.values():
        if not z3.is_true(member.present):
            yield z3.Not(member.present)
        if isinstance(member.value, Record):
            yield from _wishes(member.value)
        elif isinstance(member.value, Term):
            if member.value.kind == SET:
                yield member.value.term == empty_set(member.value.element)
            elif member.value.kind == "Long":
                yield member.value.term == 0


def facts_in(model: Any, asked: Asked, named: Iterable[str | int]) -> Facts:
    """The facts that a model stands for. Of sets, those elements are asked for that the model or the rules name:
    ``named`` is what the rules name."""
    texts, numbers = _named_in(model)
    for one in named:
        (texts if isinstance(one, str) else numbers).add(one)  # type: ignore[arg-type]
    reader = _Reader(model, sorted(texts), sorted(numbers))
    return Facts(
        kind=asked.kind,
        app=reader.text(asked.resource.id),
        key_id=reader.text(asked.principal.id),
        claims=reader.record(asked.principal.attributes),
        context={**{name: [] for name in INCIDENT_SETS}, **reader.record(asked.context)},
    )


def _named_in(model: Any) -> tuple[set[str], set[int]]:
    texts: set[str] = set()
    numbers: set[int] = set()
    seen: set[int] = set()

    def walk(term: Any) -> None:
        if term.get_id() in seen:
            return
        seen.add(term.get_id())
        if z3.is_string_value(term):
            texts.add(plain(term))
        elif z3.is_int_value(term):
            numbers.add(term.as_long())
        for child in term.children():
            walk(child)

    for declared in model.decls():
        value = model[declared]
        if isinstance(value, z3.ExprRef):
            walk(value)
        elif isinstance(value, z3.FuncInterp):
            for entry in range(value.num_entries()):
                for argument in range(value.arity()):
                    walk(value.entry(entry).arg_value(argument))
    return texts, numbers


def plain(term: Any) -> str:
    """The characters of a text of the solver's."""
    return "".join(chr(int(code)) for code in _codes(term.as_string()))


def _codes(spelt: str) -> Iterator[int]:
    at = 0
    while at < len(spelt):
        if spelt.startswith("\\u{", at):
            end = spelt.index("}", at)
            yield int(spelt[at + 3 : end], 16)
            at = end + 1
        else:
            yield ord(spelt[at])
            at += 1


@dataclass(frozen=True, slots=True)
class _Reader:
    model: Any
    texts: list[str]
    numbers: list[int]

    def text(self, term: Any) -> str:
        return plain(self._value(term))[:_NAMES]

    def record(self, record: Record) -> Mapping[str, object]:
        return {
            name: self._read(member.value)
            for name, member in record.members.items()
            if z3.is_true(self._value(member.present))
        }

    def _read(self, value: Value) -> object:
        if isinstance(value, Record):
            return self.record(value)
        known = term_of(value)
        match known.kind:
            case "Bool":
                return z3.is_true(self._value(known.term))
            case "Long":
                return self._value(known.term).as_long()
            case "String":
                return plain(self._value(known.term))
        candidates: Iterable[Any] = self.texts if known.element == "String" else self.numbers
        return [one for one in candidates if z3.is_true(self._value(z3.Select(known.term, _constant(one))))]

    def _value(self, term: Any) -> Any:
        return self.model.eval(term, model_completion=True)


def _constant(value: str | int) -> Any:
    return text(value) if isinstance(value, str) else z3.IntVal(value)
