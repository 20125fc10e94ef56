"""Which facts a set of rules reads, and which rules cannot apply: evaluating costs by the attribute and by the rule.

Everything here is exact. A rule is left out only where Cedar would find it false without an error, a fact only where no
rule that is left could see it; where that is not plain, it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from .expressions import Expression, path_of, presence_of

PRINCIPAL: Final = "principal"
CONTEXT: Final = "context"
SIGNALS: Final = "signals"

_COMPARING: Final = ("==", "!=", "in", "is")
"""Operators that look at an entity's id, and not at its attributes."""

Tree = dict[str, Any]
"""Members that are read, each with the tree of its own; :data:`WHOLE` where all of a value is."""

WHOLE: Final[Tree] = {"*": {}}

Path = tuple[str, ...]


class Reading(NamedTuple):
    """What rules read: of the key, of the request, and whether they tell single keys, or apps, apart."""

    claims: Tree
    context: Tree
    identified: bool


def reading_of(rules: Iterable[Mapping[str, Any]]) -> Reading:
    """What ``rules`` (Cedar's JSON of statements) read when they are evaluated."""
    reader = _Reader()
    for rule in rules:
        for condition in rule["conditions"]:
            reader.read(condition["body"])
        # `is` asks for the type alone; `==` and `in` tell keys apart, and apps.
        if "entity" in rule["principal"] or "in" in rule["principal"] or rule["resource"]["op"] != "All":
            reader.identified = True
    return Reading(reader.trees[PRINCIPAL], reader.trees[CONTEXT], reader.identified)


class _Reader:
    def __init__(self) -> None:
        self.trees: dict[str, Tree] = {PRINCIPAL: {}, CONTEXT: {}}
        self.identified = False

    def read(self, expression: Any) -> None:
        if isinstance(expression, list):
            for element in expression:
                self.read(element)
        if not isinstance(expression, Mapping):
            return
        path = path_of(expression)
        present = presence_of(expression)
        if path is not None:
            self._mark(path, WHOLE)
        elif present is not None:
            self._mark(present, {})
        else:
            for operator, inner in expression.items():
                if operator in ("Value", "Unknown"):
                    continue
                if operator == "Record":
                    self.read(list(inner.values()))
                elif operator in _COMPARING:
                    self._compare(inner)
                elif isinstance(inner, Mapping):
                    self.read(list(inner.values()))
                else:
                    self.read(inner)

    def _compare(self, operands: Mapping[str, Any]) -> None:
        for operand in operands.values():
            if isinstance(operand, Mapping) and operand.get("Var") not in (None, CONTEXT):
                self.identified = True
            else:
                self.read(operand)

    def _mark(self, path: Path, below: Tree) -> None:
        root = path[0]
        if root not in self.trees:
            self.identified = True  # the app or the action, as a value
            return
        if len(path) == 1:
            # The record, or the entity as the value of an expression that somebody may ask for attributes.
            self.trees[root] = WHOLE
            self.identified = True
            return
        tree = self.trees[root]
        for step in path[1:-1]:
            if tree is WHOLE:
                return
            tree = tree.setdefault(step, {})
        if tree is not WHOLE and (below is WHOLE or path[-1] not in tree):
            tree[path[-1]] = below


def projected(record: Mapping[str, Any], tree: Tree) -> Mapping[str, Any]:
    """The members of ``record`` that ``tree`` names. Texts, numbers and sets are kept as they are."""
    if tree is WHOLE:
        return record
    kept: dict[str, Any] = {}
    for name, below in tree.items():
        if name in record:
            value = record[name]
            kept[name] = projected(value, below) if below is not WHOLE and isinstance(value, dict) else value
    return kept


class Quiet(NamedTuple):
    """Something that facts may lack, and whose lack puts rules to sleep: a member, or an element of a set."""

    path: Path
    empty: bool  # the set is there and has no element


class Absence(NamedTuple):
    """The quiet things that make a difference to a set of rules, for asking facts quickly."""

    claims: tuple[str, ...]
    sets: tuple[str, ...]
    context: tuple[str, ...]
    signals: tuple[str, ...]

    def of(self, claims: Mapping[str, Any], context: Mapping[str, Any]) -> frozenset[Quiet] | None:
        """Those that are quiet in these facts; ``None`` for facts in another form than the schema's."""
        signals = context.get(SIGNALS)
        if not isinstance(signals, dict):
            return None
        return frozenset(
            [
                *(Quiet((PRINCIPAL, name), False) for name in self.claims if name not in claims),
                *(Quiet((PRINCIPAL, name), True) for name in self.sets if claims.get(name) == []),
                *(Quiet((CONTEXT, name), False) for name in self.context if name not in context),
                *(Quiet((CONTEXT, SIGNALS, name), False) for name in self.signals if name not in signals),
            ]
        )

    def key(self, claims: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[bool, ...] | None:
        """The same as a short key. Equal keys mean equal answers of :meth:`of`."""
        signals = context.get(SIGNALS)
        if not isinstance(signals, dict):
            return None
        return (
            *[name in claims for name in self.claims],
            *[claims.get(name) == [] for name in self.sets],
            *[name in context for name in self.context],
            *([name in signals for name in self.signals] if signals else ()),
        )


def absence_of(rules: Iterable[Mapping[str, Any]]) -> Absence:
    """What could put any of ``rules`` to sleep."""
    names: dict[tuple[Path, bool], dict[str, None]] = {}
    for rule in rules:
        for quiet in _sleepers(_condition(rule)):
            names.setdefault((quiet.path[:-1], quiet.empty), {})[quiet.path[-1]] = None
    return Absence(
        claims=tuple(names.get(((PRINCIPAL,), False), ())),
        sets=tuple(names.get(((PRINCIPAL,), True), ())),
        context=tuple(names.get(((CONTEXT,), False), ())),
        signals=tuple(names.get(((CONTEXT, SIGNALS), False), ())),
    )


def asleep(rule: Mapping[str, Any], quiet: frozenset[Quiet]) -> bool:
    """Whether ``rule`` is false, and raises nothing, where all of ``quiet`` are lacking."""
    condition = _condition(rule)
    return condition is not None and _false(condition, quiet)


def of_another_type(rule: Mapping[str, Any], kind: str) -> bool:
    """Whether the scope of ``rule`` keeps it from every key of this entity type."""
    scope = rule["principal"]
    if scope["op"] == "is":
        return bool(scope["entity_type"] != kind)
    return bool(scope["op"] == "==" and scope["entity"]["type"] != kind)


def _condition(rule: Mapping[str, Any]) -> Expression | None:
    """The first condition, which is evaluated before the others."""
    conditions = rule["conditions"]
    return conditions[0]["body"] if conditions and conditions[0]["kind"] == "when" else None


def _quiet(expression: Expression) -> Quiet | None:
    """What would make this test false by its lack."""
    present = presence_of(expression)
    if present is not None and present[:-1] in ((PRINCIPAL,), (CONTEXT,), (CONTEXT, SIGNALS)):
        return Quiet(present, False)
    if "contains" in expression and "Value" in expression["contains"]["right"]:
        path = path_of(expression["contains"]["left"])
        if path is not None and len(path) == 2 and path[0] == PRINCIPAL:
            return Quiet(path, True)
    return None


def _false(expression: Expression, quiet: frozenset[Quiet]) -> bool:
    if "&&" in expression:
        left, right = expression["&&"]["left"], expression["&&"]["right"]
        # The right side counts only behind a left side that cannot fail.
        return _false(left, quiet) or (_cannot_fail(left) and _false(right, quiet))
    if "||" in expression:
        return _false(expression["||"]["left"], quiet) and _false(expression["||"]["right"], quiet)
    return _quiet(expression) in quiet


def _cannot_fail(expression: Expression) -> bool:
    for operator in ("&&", "||"):
        if operator in expression:
            return _cannot_fail(expression[operator]["left"]) and _cannot_fail(expression[operator]["right"])
    if "!" in expression:
        return _cannot_fail(expression["!"]["arg"])
    quiet = _quiet(expression)
    return quiet is not None and not quiet.empty


def _sleepers(expression: Expression | None) -> Iterable[Quiet]:
    if expression is None:
        return
    for operator in ("&&", "||"):
        if operator in expression:
            yield from _sleepers(expression[operator]["left"])
            if operator == "||" or _cannot_fail(expression[operator]["left"]):
                yield from _sleepers(expression[operator]["right"])
    if (quiet := _quiet(expression)) is not None:
        yield quiet
