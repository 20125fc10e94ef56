"""What the view can be cut by: the facts that each source of decisions knows, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.tallies.rows import FACTS, Cell

_RENAMED: Final = {"app_build": "build"}
_PLACES: Final[Mapping[str, Mapping[str, int]]] = {
    source: {_RENAMED.get(name, name): place for place, name in enumerate(names)} for source, names in FACTS.items()
}
"""By source, where each fact of its cells stands."""

SOURCES: Final = tuple(FACTS)

DIMENSIONS: Final = ("why", "source", "platform", "build", "os", "model", "country", "route")
"""What causes can be told apart by. ``source`` and ``why`` belong to every decision."""


def knows(source: str, dimension: str) -> bool:
    """Whether decisions of a source have this fact."""
    return dimension in ("why", "source") or dimension in _PLACES.get(source, {})


def value_of(source: str, cell: Cell, dimension: str) -> str:
    """A fact of a cell; empty where it is unknown, also in a cell that has fewer facts than its source should."""
    if dimension == "source":
        return source
    if dimension == "why":
        return cell.why
    place = _PLACES.get(source, {}).get(dimension)
    return "" if place is None or place >= len(cell.facts) else cell.facts[place]


def lacks_facts(source: str, cell: Cell, dimension: str) -> bool:
    """Whether a fact that the source knows was not kept for the decisions of a cell: of what goes beyond the bounds of
    a bucket only outcome and reason are counted."""
    return dimension in _PLACES.get(source, {}) and not cell.facts
