"""Which facts a set of rules reads, and which rules are of another type of key: evaluating costs by each of them.

Everything here is exact: a fact is left out only where no rule that is left could see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from attestation.appraisal.cedar.distinctions import Path, Stand
from attestation.appraisal.cedar.expressions import path_of, presence_of

PRINCIPAL: Final = "principal"
CONTEXT: Final = "context"

_COMPARING: Final = ("==", "!=", "in", "is")
"""Operators that look at an entity's id, and not at its attributes."""

Tree = dict[str, Any]
"""Members that are read, each with the tree of its own; :data:`WHOLE` where all of a value is."""

WHOLE: Final[Tree] = {"*": {}}


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
            # The record, or the entity as the value of an expression that a rule may ask for attributes.
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


class Member(NamedTuple):
    """A member that is read: ``stand`` gives what stands for its value, ``below`` its own members where not all are."""

    name: str
    stand: Stand | None
    below: tuple[Member, ...] | None


def members_of(tree: Tree, root: Path, stands: Mapping[Path, Stand]) -> tuple[Member, ...] | None:
    """What of the record at ``root`` is read, ready for :func:`projected`; ``None`` for all of it."""
    if tree is WHOLE:
        return None
    return tuple(
        Member(name, stands.get((*root, name)), members_of(below, (*root, name), stands))
        for name, below in tree.items()
    )


def projected(record: Mapping[str, Any], members: tuple[Member, ...] | None) -> Mapping[str, Any]:
    """The ``members`` of ``record``, each value replaced by one that no rule can tell from it."""
    if members is None:
        return record
    kept: dict[str, Any] = {}
    for name, stand, below in members:
        if name in record:
            value = record[name]
            if stand is not None:
                value = stand(value)
            kept[name] = projected(value, below) if isinstance(value, dict) else value
    return kept


def of_another_type(rule: Mapping[str, Any], kind: str) -> bool:
    """Whether the scope of ``rule`` keeps it from every key of this entity type."""
    scope = rule["principal"]
    if scope["op"] == "is":
        return bool(scope["entity_type"] != kind)
    return bool(scope["op"] == "==" and scope["entity"]["type"] != kind)
