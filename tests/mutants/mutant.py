"""The mutants of the verifiers and the gate: all that the operators make, and the choice of some by a seed."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutants.dropped_checks import Edit, applied, edits

ROOT: Final = Path(__file__).parents[2]
TARGETS: Final = (
    "layers/tokens/src/bonafide_tokens/*.py",
    "layers/attestation/src/attestation/**/*.py",
    "functions/authorize_request/*.py",
)
_LEFT_OUT: Final = ("VariableReplacer", "VariableInserter", "Eq_Is", "NotEq_IsNot", "Is_Eq", "IsNot_NotEq")
"""Operators that need a configuration, and those that ask whether Python interns a value."""


_NOTHING: Final = {("strict", "False"), (None, "{}")}
"""Arguments that say what would be so without them."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed module. ``line`` is where in the original; ``was`` and ``now`` are that line before and after, and
    ``nth`` says which it is of the same changes in that file."""

    path: str
    line: int
    operator: str
    was: str
    now: str
    nth: int
    source: str

    @property
    def identity(self) -> str:
        """A name that outlives edits elsewhere in the file: file, operator, and the line before and after."""
        told = "\n".join((self.path, self.operator, self.was, self.now, str(self.nth)))
        return hashlib.sha256(told.encode("utf-8")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operator can change a module, and how: the mutant is made only if it is chosen. ``how`` is an edit's
    span and text, or the number of the operator's occurrence."""

    path: str
    line: int
    operator: str
    text: str
    nth: int
    how: list[Any]

    @property
    def kind(self) -> str:
        """The operator, whatever it puts in place."""
        return self.operator.split("_")[0]

    def rank(self, seed: str) -> str:
        """A number by chance that outlives edits elsewhere in the file."""
        told = "\n".join((seed, self.path, self.operator, self.text, str(self.nth)))
        return hashlib.sha256(told.encode("utf-8")).hexdigest()

    def changed(self, source: str) -> str | None:
        """The module's text with this change."""
        if len(self.how) == 3:
            begin, end, text = self.how
            return applied(source, Edit(self.operator, tuple(begin), tuple(end), text))
        try:
            changed: str | None = mutate_code(source, get_operator(f"core/{self.operator}")(), self.how[0])
        except AttributeError:  # its ExceptionReplacer does not know names with dots
            return None
        return changed


class _Module:
    """One module's places, and the mutants made of it. Both take minutes for all modules: they are kept in ``folder``
    for as long as neither the module nor these tools change."""

    def __init__(self, path: Path, root: Path, folder: Path) -> None:
        self.source = path.read_text("utf-8")
        tools = b"".join((Path(__file__).parent / name).read_bytes() for name in ("mutant.py", "dropped_checks.py"))
        name = path.relative_to(root).as_posix()
        digest = hashlib.sha256(tools + name.encode() + self.source.encode("utf-8")).hexdigest()[:16]
        self._file = folder / f"{digest}.json"
        kept = json.loads(self._file.read_text("utf-8")) if self._file.exists() else None
        self.places = [_Place(*place) for place in kept["places"]] if kept else list(_places(name, self.source))
        self._made: dict[str, list[Any] | None] = kept["made"] if kept else {}

    def mutant(self, place: _Place) -> Mutant | None:
        """The mutant, if its program differs when it runs: a change to an annotation, or to what only type checkers
        see, makes none."""
        key = place.rank("made")
        if key not in self._made:
            self._made[key] = self._make(place)
        made = self._made[key]
        return None if made is None else Mutant(*made)

    def keep(self) -> None:
        """For the next time."""
        places = [[getattr(place, name) for name in _Place.__slots__] for place in self.places]
        self._file.write_text(json.dumps({"places": places, "made": self._made}), "utf-8")

    def _make(self, place: _Place) -> list[Any] | None:
        if "TYPE_CHECKING" in place.text:
            return None
        changed = place.changed(self.source)
        try:
            if changed is None or _program(self.source) == _program(changed):
                return None
        except SyntaxError:
            return None
        return [place.path, *_difference(self.source, changed, place.operator), place.nth, changed]


def target_files(root: Path = ROOT) -> list[Path]:
    """The modules that are mutated."""
    return sorted(path for pattern in TARGETS for path in root.glob(pattern) if path.name != "__init__.py")


def chosen(number: int, seed: str, folder: Path, root: Path = ROOT) -> list[Mutant]:
    """``number`` mutants: at most one for each line and kind of change, so that an operator with many replacements does
    not outweigh a dropped check; the seed decides which. ``folder`` keeps what was found for the next time."""
    modules = {path.relative_to(root).as_posix(): _Module(path, root, folder) for path in target_files(root)}
    groups: dict[tuple[str, int, str], list[_Place]] = {}
    for module in modules.values():
        for place in module.places:
            groups.setdefault((place.path, place.line, place.kind), []).append(place)
    taken: list[Mutant] = []
    for places in sorted(groups.values(), key=lambda group: group[0].rank(f"group {seed}")):
        if len(taken) == number:
            break
        ranked = sorted(places, key=lambda place: place.rank(seed))
        made = (modules[place.path].mutant(place) for place in ranked)
        taken += islice(filter(None, made), 1)
    for module in modules.values():
        module.keep()
    return taken


def _places(name: str, source: str) -> Iterator[_Place]:
    lines = source.splitlines()
    seen: Counter[tuple[str, str]] = Counter()

    def place(line: int, operator: str, *how: object) -> _Place:
        text = lines[line - 1].strip()
        seen[operator, text] += 1
        return _Place(name, line, operator, text, seen[operator, text], list(how))

    for edit in edits(source):
        yield place(edit.begin[0], edit.operator, edit.begin, edit.end, edit.text)
    nodes = list(ast_nodes(get_ast(source)))
    comparisons = [node for node in nodes if node.type == "comparison"]
    signs = [node for node in nodes if node.type == "operator"]
    for full_name in operator_names():
        operator = full_name.removeprefix("core/")
        if not operator.endswith(_LEFT_OUT):
            # Most operators are for a kind of node each: asking all of them about every node takes minutes.
            asked = {"ReplaceComparisonOperator": comparisons, "ReplaceBinaryOperator": signs}
            asking = get_operator(full_name)()
            among = asked.get(operator.split("_")[0], nodes)
            positions = (at for node in among for at in asking.mutation_positions(node))
            for occurrence, (begin, _) in enumerate(positions):
                yield place(begin[0], operator, occurrence)


def _difference(source: str, changed: str, operator: str) -> tuple[int, str, str, str]:
    """The first line that differs, the operator, and what the line was and is."""
    before, after = source.splitlines(), changed.splitlines()
    at = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)) - 1
    )
    return at + 1, operator, before[at].strip(), after[at].strip() if at < len(after) else ""


@lru_cache(maxsize=4)
def _program(source: str) -> str:
    return ast.dump(_WhatRuns().visit(ast.parse(source)))


class _WhatRuns(ast.NodeTransformer):
    """Without what makes no difference to a program: annotations, which are never evaluated here (``from __future__
    import annotations``), what says how arguments may be passed, an argument that is the default anyway, and a
    decorator that looks once at what is written there."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [
            one for one in node.decorator_list if not (isinstance(one, ast.Name) and one.id == "unique")
        ]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``zip`` is not strict unless told; the linter wants it said. ``**{}`` is what stands for a lost argument."""
        node.keywords = [one for one in node.keywords if (one.arg, ast.unparse(one.value)) not in _NOTHING]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        """``*`` and ``/`` among parameters are no operators, whatever a tool takes them for."""
        node.args, node.posonlyargs, node.kwonlyargs = [*node.posonlyargs, *node.args, *node.kwonlyargs], [], []
        node.defaults = [*node.defaults, *(value for value in node.kw_defaults if value is not None)]
        node.kw_defaults = []
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)
