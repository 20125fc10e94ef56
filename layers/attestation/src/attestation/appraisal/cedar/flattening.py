"""All facts in the request's context, in one level: Cedar reads that faster than an entity and its nested records.

It changes no answer where no rule looks at the key but for its attributes. A nested record is spread only where it is
there and rules read its members alone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final, NamedTuple

from attestation.appraisal.cedar.distinctions import Stand
from attestation.appraisal.cedar.expressions import path_of, presence_of
from attestation.appraisal.cedar.projection import CONTEXT, PRINCIPAL, WHOLE, Path, Reading, Tree, projected
from attestation.appraisal.facts import Facts

ANY: Final = {"op": "All"}
_PREFIX: Final = {PRINCIPAL: "", CONTEXT: "/"}
"""What tells the request's own facts from the key's. No attribute of the schema has a slash or a dot in it."""

_CONTEXT: Final = {"Var": "context"}


class _Member(NamedTuple):
    name: str
    flat: str  # what it is called in the one level
    below: Tree | None  # what of it is read, if not all
    stand: Stand | None  # what goes in the place of its values, if rules cannot tell them apart


class Flattening:
    """How facts are laid out for one set of rules. ``records`` are the nested ones that all of its facts have;
    ``stands`` what goes in the place of values."""

    def __init__(self, reading: Reading, records: Container[Path], stands: Mapping[Path, Stand]) -> None:
        trees = {PRINCIPAL: reading.claims, CONTEXT: reading.context}
        self._spread = frozenset(
            (root, name)
            for root, tree in trees.items()
            for name, below in tree.items()
            if below is not WHOLE and (root, name) in records
        )
        self._claims, self._request = (
            _members(
                {name: below for name, below in tree.items() if (root, name) not in self._spread},
                _PREFIX[root],
                (root,),
                stands,
            )
            for root, tree in trees.items()
        )
        self._nested = [
            (root == PRINCIPAL, name, _members(trees[root][name], f"{_PREFIX[root]}{name}.", (root, name), stands))
            for root, name in sorted(self._spread)
        ]

    def facts(self, facts: Facts) -> dict[str, Any]:
        """What is read of ``facts``, in one level."""
        flat: dict[str, Any] = {}
        _lay(facts.claims, self._claims, flat)
        _lay(facts.context, self._request, flat)
        for of_claims, name, members in self._nested:
            record: Any = (facts.claims if of_claims else facts.context)[name]
            _lay(record, members, flat)
        return flat

    def rule(self, form: Mapping[str, Any]) -> Mapping[str, Any]:
        """The statement for such facts. Its scope says nothing more of the key: what it says of the type was decided
        when the rules were picked."""
        return {**form, "principal": ANY, "conditions": [self._moved(condition) for condition in form["conditions"]]}

    def _moved(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self._moved(element) for element in part]
        if not isinstance(part, Mapping) or "Value" in part:
            return part
        if "Record" in part:
            return {"Record": {name: self._moved(value) for name, value in part["Record"].items()}}
        if (present := presence_of(part)) is not None and (flat := self._flat(present)) is not None:
            return {"has": {"left": _CONTEXT, "attr": flat}}
        if (path := path_of(part)) is not None and (flat := self._flat(path)) is not None:
            return {".": {"left": _CONTEXT, "attr": flat}}
        return {name: self._moved(value) for name, value in part.items()}

    def _flat(self, path: Path) -> str | None:
        if path[0] not in _PREFIX:
            return None
        if len(path) == 2 or (len(path) == 3 and path[:2] in self._spread):
            return _PREFIX[path[0]] + ".".join(path[1:])
        return None  # a member of what this is about, which is moved by itself


def _members(tree: Tree, prefix: str, of: Path, stands: Mapping[Path, Stand]) -> list[_Member]:
    return [
        _Member(name, prefix + name, None if below is WHOLE else below, stands.get((*of, name)))
        for name, below in tree.items()
    ]


def _lay(record: Mapping[str, Any], members: list[_Member], flat: dict[str, Any]) -> None:
    for name, called, below, stand in members:
        if name in record:
            value = record[name] if stand is None else stand(record[name])
            flat[called] = value if below is None or not isinstance(value, dict) else projected(value, below)
