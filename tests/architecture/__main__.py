"""`python -m tests.architecture` prints the folders of the product, their modules, and the arrows between them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.architecture.rooms import (
    MAX_MODULES,
    circles,
    folder_arrows,
    folder_of,
    module_arrows,
    module_counts,
    neighbour_arrows,
)
from tests.architecture.source_tree import modules

AUTHORIZER = "functions.authorize_request"


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


def main() -> None:
    """Print the tables."""
    known = modules()
    lines: dict[str, int] = {}
    for module in known.values():
        lines[folder_of(module.name)] = lines.get(folder_of(module.name), 0) + code_lines(module.path)
    arrows = folder_arrows()
    for folder, count in sorted(module_counts().items()):
        mark = "  over" if count > MAX_MODULES else ""
        print(f"{folder}  {count} modules, {lines[folder]:,} code lines{mark}")
        for target in sorted(arrows.get(folder, ())):
            print(f"    → {target}")
    print()
    print(f"authorizer, with what it imports of ours: {authorizer_lines():,} code lines")
    among_modules, among_folders = len(circles(module_arrows())), len(circles(neighbour_arrows()))
    print(f"circles of modules: {among_modules}, of neighbouring folders: {among_folders}")


if __name__ == "__main__":
    main()
