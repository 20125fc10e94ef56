"""The repository's Python files, parsed once for the architecture tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = {
    "bonafide_tokens": ROOT / "layers/tokens/src",
    "attestation": ROOT / "layers/attestation/src",
    "service": ROOT / "layers/service/src",
}
COMMANDS = ("bonafide", "devkit")
FUNCTIONS = ROOT / "functions"


@dataclass(frozen=True)
class Module:
    """One Python file. ``name`` is what an import says: ``service.edge.http``, ``functions.renew_token``."""

    name: str
    path: Path
    is_package: bool

    @cached_property
    def tree(self) -> ast.Module:
        """The file, parsed. Only where it is looked into: most tests are collected by names alone."""
        return ast.parse(self.path.read_text("utf-8"), filename=str(self.path))

    @property
    def area(self) -> str:
        """bonafide_tokens, attestation, service, functions, bonafide, devkit."""
        return self.name.split(".")[0]

    def imports(self, *, at_runtime_only: bool = False) -> Iterator[str]:
        """Absolute names of what it imports, ``from x import y`` as ``x.y``; without TYPE_CHECKING blocks if asked."""
        for node in _nodes(self.tree, at_runtime_only):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self._origin(node)}.{alias.name}" for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        base = package[: len(package) - node.level + 1]
        return ".".join([*base, *(node.module.split(".") if node.module else [])])


def _nodes(tree: ast.AST, at_runtime_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_runtime_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _nodes(node, at_runtime_only)


def _module(path: Path, name: str) -> Module:
    parts = name.split(".")
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1]) if is_package else name, path, is_package)


@cache
def modules() -> Mapping[str, Module]:
    """Every module that ships: both layers, the functions, and the command."""
    found = []
    for package, folder in (*LAYERS.items(), *((command, ROOT) for command in COMMANDS)):
        paths = sorted((folder / package).rglob("*.py"))
        found += [_module(path, ".".join(path.relative_to(folder).with_suffix("").parts)) for path in paths]
    for path in sorted(FUNCTIONS.rglob("*.py")):
        function = path.parent.name
        suffix = "" if path.stem == function else f".{path.stem}"
        found.append(_module(path, f"functions.{function}{suffix}"))
    return {module.name: module for module in found}


def python_files() -> list[Path]:
    """Every Python file of the repository, tests included."""
    folders = ("bonafide", "devkit", "functions", "layers", "tests")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "build" not in path.parts]
