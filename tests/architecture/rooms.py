"""Folders of the product, how many modules and code lines each holds, and the arrows between them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.source_tree import modules

Arrows = Mapping[str, set[str]]
MAX_MODULES = 15
MAX_AUTHORIZER_LINES = 2_576
AUTHORIZER = "functions.authorize_request"


def module_arrows() -> Arrows:
    """From each module to those that it imports, also for types alone."""
    known = modules()
    return {
        module.name: {
            target
            for name in module.imports()
            for target in (name, name.rpartition(".")[0])
            if target in known and target != module.name and not known[target].is_package
        }
        for module in known.values()
    }


def folder_of(name: str) -> str:
    """The folder that holds a module: ``functions.renew_token`` is its own."""
    return name if name.startswith("functions.") and name.count(".") == 1 else name.rpartition(".")[0]


def module_counts() -> Counter[str]:
    """Modules in each folder, the ``__init__`` not counted."""
    return Counter(folder_of(module.name) for module in modules().values() if not module.is_package)


def folder_arrows() -> dict[str, set[str]]:
    """From each folder to those whose modules it imports."""
    arrows: dict[str, set[str]] = {}
    for module, targets in module_arrows().items():
        here = folder_of(module)
        arrows.setdefault(here, set()).update(folder_of(target) for target in targets if folder_of(target) != here)
    return arrows


def neighbour_arrows() -> Arrows:
    """The same between folders of which neither holds the other: a face and its rooms may know each other."""
    return {
        here: {
            there for there in targets if not (there + ".").startswith(here + ".") and not here.startswith(there + ".")
        }
        for here, targets in folder_arrows().items()
    }


def circles(arrows: Arrows) -> list[str]:
    """Every circle that a walk along the arrows closes, as ``a → b → a``."""
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(" → ".join((*path[path.index(name) :], name)))
        elif name not in done:
            for target in sorted(arrows.get(name, ())):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        visit(name, ())
    return found


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank line, comment or docstring."""
    source = path.read_text("utf-8")
    lines = source.splitlines()
    silent: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            silent.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        1 for number, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#" and number not in silent
    )


def authorizer_lines() -> int:
    """Code lines of the authorizer and of all that it imports of ours, also of what it imports late."""
    arrows, known = module_arrows(), modules()
    reached, ahead = set[str](), [name for name in known if (name + ".").startswith(AUTHORIZER + ".")]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += arrows[name]
    return sum(code_lines(known[name].path) for name in reached)
