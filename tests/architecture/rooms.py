"""Folders of the product, how many modules each holds, and the arrows between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.architecture.source_tree import modules

Arrows = Mapping[str, set[str]]
MAX_MODULES = 15


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
