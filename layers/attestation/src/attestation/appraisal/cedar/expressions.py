"""Cedar's JSON form of expressions: paths, literals, and what an expression reads.

In that form ``principal.play.testing`` is ``{".": {"left": {".": {"left": {"Var": "principal"}, "attr": "play"}},
"attr": "testing"}}``. ``has a.b`` and ``is T in E`` come taken apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

Expression = Mapping[str, Any]
Literal = str | int | bool

TRUE: Final[Expression] = {"Value": True}
FALSE: Final[Expression] = {"Value": False}

COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
ARITHMETIC: Final = ("+", "-", "*", "neg")
SET_METHODS: Final = ("contains", "containsAll", "containsAny")
_SAFE: Final = frozenset(
    {
        *COMPARISONS, *SET_METHODS, "Value", "Var", "Set", "Record", ".", "has", "is", "in", "like", "isEmpty", "!",
        "&&", "||", "if-then-else",
    }
)  # fmt: skip
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Comparison(NamedTuple):
    """A path compared with a literal, the path on the left."""

    path: tuple[str, ...]
    operator: str
    value: Literal


class Membership(NamedTuple):
    """A path that is said to be (``contains`` of a literal set), or to hold, some of the ``values``."""

    path: tuple[str, ...]
    values: tuple[Literal, ...]
    path_is_set: bool


def conditions_of(est: Mapping[str, Any]) -> list[Expression]:
    """The conditions of a statement, ``unless`` as a negation; all of them hold where it applies."""
    return [
        condition["body"] if condition["kind"] == "when" else {"!": {"arg": condition["body"]}}
        for condition in est["conditions"]
    ]


def operator_of(expression: Expression) -> str:
    """The one member of an expression's JSON object."""
    return next(iter(expression), "")


def key_of(expression: Expression) -> str:
    """One text for equal expressions."""
    return json.dumps(expression, sort_keys=True)


def path_of(expression: Expression) -> tuple[str, ...] | None:
    """``("principal", "play", "testing")`` of an attribute's expression; ``None`` for any other."""
    steps: list[str] = []
    while "." in expression:
        steps.append(expression["."]["attr"])
        expression = expression["."]["left"]
    return (str(expression["Var"]), *reversed(steps)) if "Var" in expression else None


def literal_of(expression: Expression) -> Literal | None:
    """The text, number or truth value that an expression is; ``None`` for any other, entities included."""
    value = expression.get("Value")
    return value if isinstance(value, str | int) else None


def literals_of(expression: Expression) -> tuple[Literal, ...] | None:
    """The values of a set that is written out; ``None`` for any other expression."""
    if "Set" not in expression:
        return None
    values = [literal_of(element) for element in expression["Set"]]
    return None if None in values else tuple(value for value in values if value is not None)


def comparison_of(expression: Expression) -> Comparison | None:
    """The comparison of an attribute with a literal that ``expression`` is, either way round."""
    operator = operator_of(expression)
    if operator not in COMPARISONS:
        return None
    left, right = expression[operator]["left"], expression[operator]["right"]
    if (path := path_of(left)) is not None and (value := literal_of(right)) is not None:
        return Comparison(path, operator, value)
    if (path := path_of(right)) is not None and (value := literal_of(left)) is not None:
        return Comparison(path, _MIRRORED[operator], value)
    return None


def membership_of(expression: Expression) -> Membership | None:
    """``["a", "b"].contains(path)``, or a set attribute asked for literals."""
    operator = operator_of(expression)
    if operator not in SET_METHODS:
        return None
    left, right = expression[operator]["left"], expression[operator]["right"]
    if operator == "contains":
        if (values := literals_of(left)) is not None and (path := path_of(right)) is not None:
            return Membership(path, values, path_is_set=False)
        if (path := path_of(left)) is not None and (value := literal_of(right)) is not None:
            return Membership(path, (value,), path_is_set=True)
        return None
    for one, other in ((left, right), (right, left)):
        if (path := path_of(one)) is not None and (values := literals_of(other)) is not None:
            return Membership(path, values, path_is_set=True)
    return None


def presence_of(expression: Expression) -> tuple[str, ...] | None:
    """The path whose presence is asked: ``principal has play`` → ``("principal", "play")``."""
    if "has" not in expression:
        return None
    path = path_of(expression["has"]["left"])
    return None if path is None else (*path, expression["has"]["attr"])


def parts_of(expression: Expression) -> Iterator[Expression]:
    """``expression`` and every expression in it, the outer ones first."""
    yield expression
    for operator, inner in expression.items():
        if operator in ("Value", "Var"):
            continue
        if operator == "Record":
            children = list(inner.values())
        elif isinstance(inner, list):
            children = inner  # Set, and functions such as ip("10.0.0.0")
        else:
            children = [inner[name] for name in ("left", "right", "arg", "if", "then", "else", "in") if name in inner]
        for child in children:
            yield from parts_of(child)


def may_read(part: Any, path: tuple[str, str]) -> bool:
    """Whether what is at ``path`` is read in a part of Cedar's JSON, or may be: of the whole record as a value, as in
    ``{a: context}.a``, anything may."""
    if isinstance(part, list):
        return any(may_read(element, path) for element in part)
    if not isinstance(part, Mapping):
        return False
    if "Record" in part:
        return any(may_read(value, path) for value in part["Record"].values())
    found = presence_of(part) or path_of(part)
    if found is not None:
        return found == path[:1] or found[:2] == path
    return "Value" not in part and any(may_read(inner, path) for inner in part.values())


def names_attribute(part: Any, name: str) -> bool:
    """Whether an attribute of this name, of whatever, is read, asked for or written in a part of Cedar's JSON."""
    if isinstance(part, list):
        return any(names_attribute(element, name) for element in part)
    if not isinstance(part, Mapping) or "Value" in part:
        return False
    if "Record" in part:
        return name in part["Record"] or any(names_attribute(value, name) for value in part["Record"].values())
    return part.get("attr") == name or any(names_attribute(inner, name) for inner in part.values())


def can_fail(expression: Expression) -> bool:
    """Whether evaluating ``expression`` can fail where the type checker has nothing against it: calculations, and
    functions such as ``ip``."""
    return any(operator_of(part) not in _SAFE for part in parts_of(expression))


def reads(expression: Expression, *path: str) -> bool:
    """Whether any part of ``expression`` is at, or below, this path."""
    return any((found := path_of(part)) is not None and found[: len(path)] == path for part in parts_of(expression))
