"""Cedar's expressions for the solver: each has a value, and a condition under which its evaluation fails.

The operators are Cedar's (https://docs.cedarpolicy.com/policies/syntax-operators.html): ``&&``, ``||`` and ``if`` look
only at what they need, numbers are 64 bits wide and overflow is an error. What the type of the key decides is decided
here: the branch behind it may name attributes that keys of this type do not have. Whether the encoding is right is not
argued here but measured: ``python -m tests.prover`` compares it with Cedar itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import z3
from attestation.appraisal.cedar.expressions import Expression, operator_of
from attestation.appraisal.lint.vocabulary import ACTION_TYPE, SET

from bonafide.prover.values import (
    FALSE,
    LARGEST,
    SMALLEST,
    TRUE,
    Entity,
    Member,
    NotEncoded,
    Record,
    Term,
    Value,
    boolean,
    choice,
    empty_set,
    equal,
    literal,
    set_of,
    text,
)

NO_ATTRIBUTES: Final = Record({})


class Result(NamedTuple):
    """An evaluation: its value where it does not fail."""

    value: Value
    fails: Any


@dataclass(frozen=True, slots=True)
class Request:
    """What a statement is asked about: who, to do what, on which app, and the request's own facts."""

    principal: Entity
    action: str
    resource: Entity
    context: Record


def evaluated(expression: Expression, request: Request) -> Result:
    """The expression (Cedar's JSON) for a request. Raises :class:`NotEncoded`."""
    operator = operator_of(expression)
    inner: Any = expression.get(operator)
    encode = OPERATORS.get(operator)
    if encode is None:
        raise NotEncoded(f"{operator}(…)")
    return encode(inner, request)


def matches(statement: Mapping[str, Any], request: Request) -> Result:
    """Whether a statement applies: its scope, then each condition in turn."""
    scope = z3.And(
        _in_scope(statement["principal"], request.principal),
        _in_scope(statement["action"], Entity(ACTION_TYPE, text(request.action), NO_ATTRIBUTES)),
        _in_scope(statement["resource"], request.resource),
    )
    holds, fails = z3.simplify(scope), FALSE
    if z3.is_false(holds):
        return Result(boolean(FALSE), FALSE)
    for condition in statement["conditions"]:
        found = evaluated(condition["body"], request)
        truth = _truth(found.value)
        fails = z3.Or(fails, z3.And(holds, found.fails))
        holds = z3.And(holds, truth if condition["kind"] == "when" else z3.Not(truth))
    return Result(boolean(z3.And(holds, z3.Not(fails))), fails)


def _in_scope(scope: Mapping[str, Any], entity: Entity) -> Any:
    match scope["op"]:
        case "All":
            return TRUE
        case "is":
            if scope["entity_type"] != entity.type:
                return FALSE
            return _in_scope({"op": "in", **scope["in"]}, entity) if "in" in scope else TRUE
        case "==" | "in":  # no entity of ours is in another
            named = scope["entities"] if "entities" in scope else [scope["entity"]]
            return z3.Or(*(equal(entity, _entity(one)) for one in named))
    raise NotEncoded(f"the scope {scope['op']}")


def _entity(named: Mapping[str, Any]) -> Entity:
    return Entity(str(named["type"]), text(str(named["id"])), NO_ATTRIBUTES)


def _truth(value: Value) -> Any:
    return _of(value, "Bool").term


def _of(value: Value, kind: str) -> Term:
    if not isinstance(value, Term) or value.kind != kind:
        raise NotEncoded(f"a value that is no {kind}")
    return value


def _value(inner: Any, request: Request) -> Result:
    if isinstance(inner, Mapping):
        if "__entity" in inner:
            return Result(_entity(inner["__entity"]), FALSE)
        raise NotEncoded("a value of an extension")
    if isinstance(inner, list):
        return _set([{"Value": one} for one in inner], request)
    return Result(literal(inner), FALSE)


def _variable(name: str, request: Request) -> Result:
    values: Mapping[str, Value] = {
        "principal": request.principal,
        "action": Entity(ACTION_TYPE, text(request.action), NO_ATTRIBUTES),
        "resource": request.resource,
        "context": request.context,
    }
    return Result(values[name], FALSE)


def _members_of(value: Value) -> Mapping[str, Member]:
    if isinstance(value, Entity):
        return value.attributes.members
    if isinstance(value, Record):
        return value.members
    raise NotEncoded("an attribute of what has none")


def _attribute(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    member = _members_of(left.value).get(inner["attr"])
    if member is None:
        raise NotEncoded(f"the attribute {inner['attr']} of another type")
    return Result(member.value, z3.Or(left.fails, z3.Not(member.present)))


def _has(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    member = _members_of(left.value).get(inner["attr"])
    return Result(boolean(FALSE if member is None else member.present), left.fails)


def _is(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    if not isinstance(left.value, Entity):
        raise NotEncoded("the type of what is no entity")
    if left.value.type != inner["entity_type"]:
        return Result(boolean(FALSE), left.fails)
    return _in({"left": inner["left"], "right": inner["in"]}, request) if "in" in inner else Result(
        boolean(TRUE), left.fails
    )  # fmt: skip


def _in(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    parts = inner["right"]["Set"] if "Set" in inner["right"] else [inner["right"]]
    right = [evaluated(part, request) for part in parts]
    found = z3.Or(*(equal(left.value, one.value) for one in right))
    return Result(boolean(found), z3.Or(left.fails, *(one.fails for one in right)))


def _set(inner: Any, request: Request) -> Result:
    elements = [evaluated(part, request) for part in inner]
    terms = []
    for element in elements:
        if not isinstance(element.value, Term) or element.value.kind == SET:
            raise NotEncoded("a set of other things than texts, numbers and truth values")
        terms.append(element.value)
    return Result(set_of(terms[0].kind if terms else "", tuple(terms)), z3.Or(*(one.fails for one in elements)))


def _record(inner: Any, request: Request) -> Result:
    members = {name: evaluated(part, request) for name, part in inner.items()}
    record = Record({name: Member(TRUE, one.value) for name, one in members.items()})
    return Result(record, z3.Or(*(one.fails for one in members.values())))


def _both(inner: Any, request: Request) -> tuple[Result, Result, Any]:
    left, right = evaluated(inner["left"], request), evaluated(inner["right"], request)
    return left, right, z3.Or(left.fails, right.fails)


def _equal(inner: Any, request: Request) -> Result:
    left, right, fails = _both(inner, request)
    return Result(boolean(equal(left.value, right.value)), fails)


def _not_equal(inner: Any, request: Request) -> Result:
    left, right, fails = _both(inner, request)
    return Result(boolean(z3.Not(equal(left.value, right.value))), fails)


def _comparing(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Request], Result]:
    def encode(inner: Any, request: Request) -> Result:
        left, right, fails = _both(inner, request)
        return Result(boolean(compare(_of(left.value, "Long").term, _of(right.value, "Long").term)), fails)

    return encode


def _calculating(calculate: Callable[[Any, Any], Any]) -> Callable[[Any, Request], Result]:
    def encode(inner: Any, request: Request) -> Result:
        left, right, fails = _both(inner, request)
        return _number(calculate(_of(left.value, "Long").term, _of(right.value, "Long").term), fails)

    return encode


def _negated(inner: Any, request: Request) -> Result:
    arg = evaluated(inner["arg"], request)
    return _number(-_of(arg.value, "Long").term, arg.fails)


def _number(term: Any, fails: Any) -> Result:
    return Result(Term("Long", term), z3.Or(fails, term < SMALLEST, term > LARGEST))


def _not(inner: Any, request: Request) -> Result:
    arg = evaluated(inner["arg"], request)
    return Result(boolean(z3.Not(_truth(arg.value))), arg.fails)


def _and(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    first = z3.simplify(_truth(left.value))
    if z3.is_false(first):
        return Result(boolean(FALSE), left.fails)
    right = evaluated(inner["right"], request)
    return Result(boolean(z3.And(first, _truth(right.value))), z3.Or(left.fails, z3.And(first, right.fails)))


def _or(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    first = z3.simplify(_truth(left.value))
    if z3.is_true(first):
        return Result(boolean(TRUE), left.fails)
    right = evaluated(inner["right"], request)
    return Result(boolean(z3.Or(first, _truth(right.value))), z3.Or(left.fails, z3.And(z3.Not(first), right.fails)))


def _if(inner: Any, request: Request) -> Result:
    asked = evaluated(inner["if"], request)
    truth = z3.simplify(_truth(asked.value))
    if z3.is_true(truth) or z3.is_false(truth):
        only = evaluated(inner["then" if z3.is_true(truth) else "else"], request)
        return Result(only.value, z3.Or(asked.fails, only.fails))
    then, otherwise = evaluated(inner["then"], request), evaluated(inner["else"], request)
    fails = z3.Or(asked.fails, z3.If(truth, then.fails, otherwise.fails))
    return Result(choice(truth, then.value, otherwise.value), fails)


def _like(inner: Any, request: Request) -> Result:
    left = evaluated(inner["left"], request)
    characters = z3.ReSort(z3.StringSort())
    parts = [
        z3.Full(characters) if part == "Wildcard" else z3.Re(text(part["Literal"])) for part in inner["pattern"]
    ]  # fmt: skip
    pattern = z3.Re("") if not parts else parts[0] if len(parts) == 1 else z3.Concat(*parts)
    return Result(boolean(z3.InRe(_of(left.value, "String").term, pattern)), left.fails)


def _contains(inner: Any, request: Request) -> Result:
    left, right, fails = _both(inner, request)
    return Result(boolean(_holds(_of(left.value, SET), right.value)), fails)


def _holds(whole: Term, one: Value) -> Any:
    if not isinstance(one, Term) or one.kind == SET:
        raise NotEncoded("a set of sets, or of records")
    if whole.elements is not None:
        return z3.Or(*(equal(element, one) for element in whole.elements))
    return z3.Select(whole.term, one.term) if whole.element == one.kind else FALSE


def _contains_all(inner: Any, request: Request) -> Result:
    left, right, fails = _both(inner, request)
    whole, part = _of(left.value, SET), _of(right.value, SET)
    if part.elements is not None:
        return Result(boolean(z3.And(*(_holds(whole, one) for one in part.elements))), fails)
    found = (
        z3.IsSubset(part.term, whole.term) if whole.element == part.element else part.term == empty_set(part.element)
    )
    return Result(boolean(found), fails)


def _contains_any(inner: Any, request: Request) -> Result:
    left, right, fails = _both(inner, request)
    one, other = _of(left.value, SET), _of(right.value, SET)
    for whole, part in ((one, other), (other, one)):
        if part.elements is not None:
            return Result(boolean(z3.Or(*(_holds(whole, element) for element in part.elements))), fails)
    if one.element != other.element:
        return Result(boolean(FALSE), fails)
    return Result(boolean(z3.SetIntersect(one.term, other.term) != empty_set(one.element)), fails)


def _is_empty(inner: Any, request: Request) -> Result:
    arg = evaluated(inner["arg"], request)
    whole = _of(arg.value, SET)
    return Result(boolean(whole.term == empty_set(whole.element)), arg.fails)


OPERATORS: dict[str, Callable[[Any, Request], Result]] = {
    "Value": _value,
    "Var": _variable,
    ".": _attribute,
    "has": _has,
    "is": _is,
    "in": _in,
    "Set": _set,
    "Record": _record,
    "==": _equal,
    "!=": _not_equal,
    "<": _comparing(lambda left, right: left < right),
    "<=": _comparing(lambda left, right: left <= right),
    ">": _comparing(lambda left, right: left > right),
    ">=": _comparing(lambda left, right: left >= right),
    "+": _calculating(lambda left, right: left + right),
    "-": _calculating(lambda left, right: left - right),
    "*": _calculating(lambda left, right: left * right),
    "neg": _negated,
    "!": _not,
    "&&": _and,
    "||": _or,
    "if-then-else": _if,
    "like": _like,
    "contains": _contains,
    "containsAll": _contains_all,
    "containsAny": _contains_any,
    "isEmpty": _is_empty,
}
"""By Cedar's JSON name; each takes what stands below it."""
