"""`python -m tests.architecture` prints the folders of the product, their modules, and the arrows between them."""

from __future__ import annotations

from tests.architecture.rooms import (
    MAX_MODULES,
    authorizer_lines,
    circles,
    code_lines,
    folder_arrows,
    folder_of,
    module_arrows,
    module_counts,
    neighbour_arrows,
)
from tests.architecture.source_tree import modules


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
