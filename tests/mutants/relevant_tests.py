"""Which tests a mutant is shown to: those that run its function, the quick and different ones first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.mutants.mutant import Mutant

_FIRST_SECONDS: Final = 3.0
"""Recorded seconds of the first, mixed stage: most mutants die there."""


@dataclass(frozen=True, slots=True)
class RelevantTests:
    """Made of what ``functions_run`` wrote. ``most`` is the recorded seconds of all stages together."""

    tests: dict[str, dict[str, Any]]
    root: Path
    most: float

    def stages(self, mutant: Mutant) -> list[list[str]]:
        """Names of tests: first one of each test function, as many as are quick; then the rest."""
        names = sorted(self._that_run(mutant), key=lambda name: (self._seconds(name), name))
        first: list[str] = []
        functions: set[str] = set()
        spent = 0.0
        for name in names:
            function = name.split("[")[0]
            if function not in functions and spent + self._seconds(name) <= _FIRST_SECONDS:
                functions.add(function)
                first.append(name)
                spent += self._seconds(name)
        rest: list[str] = []
        for name in names:
            if name not in first and spent + self._seconds(name) <= self.most:
                rest.append(name)
                spent += self._seconds(name)
        return [stage for stage in (first, rest) if stage]

    def seconds(self, names: list[str]) -> float:
        """Recorded seconds of some tests."""
        return sum(self._seconds(name) for name in names)

    def _seconds(self, name: str) -> float:
        return max(0.002, float(self.tests[name]["seconds"]))

    def _that_run(self, mutant: Mutant) -> Iterator[str]:
        spots = self._spots(mutant)
        for name, test in self.tests.items():
            if not spots.isdisjoint(test["ran"]):
                yield name

    def _spots(self, mutant: Mutant) -> set[str]:
        """The innermost function that tests ran, of those around the mutant. A constant, or the head of a class, is in
        none: there, every function of the module and of the modules that import it."""
        tree = ast.parse((self.root / mutant.path).read_text("utf-8"))
        around = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.Lambda) and node.lineno <= mutant.line <= (node.end_lineno or 0)
        ]
        ran = {spot for test in self.tests.values() for spot in test["ran"]}
        for node in reversed(around):  # ast.walk goes from outside to inside
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            if f"{mutant.path}:{first}" in ran and mutant.line >= node.lineno:
                return {f"{mutant.path}:{first}"}
        users = {mutant.path, *self._importers(mutant.path)}
        return {spot for spot in ran if spot.rpartition(":")[0] in users}

    def _importers(self, path: str) -> Iterator[str]:
        module = path.removeprefix("layers/attestation/src/").removeprefix("layers/tokens/src/")
        module = module.removeprefix("functions/authorize_request/")
        name = module.removesuffix(".py").replace("/", ".").rpartition(".")[2]
        for folder in (
            "layers/tokens/src/bonafide_tokens",
            "layers/attestation/src/attestation",
            "functions/authorize_request",
        ):
            for other in (self.root / folder).rglob("*.py"):
                imports = [n for n in ast.walk(ast.parse(other.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)]
                if any((n.module or "").endswith(name) or name in {a.name for a in n.names} for n in imports):
                    yield other.relative_to(self.root).as_posix()
