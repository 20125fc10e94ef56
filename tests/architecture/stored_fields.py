"""What the code stores: attributes of rows, members of decision lines and of what detectors are told. Read from the
source, for the page about privacy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any, Final

from attestation.claims import (
    AndroidClaims,
    AppleClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    PlayClaims,
)
from service.detection.detection_facts import DetectionFacts
from service.detection.sighting import Sighting

from tests.architecture.source_tree import modules

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\Z")
_WRITERS: Final = frozenset({"to_item", "to_row", "put_row_if", "listed_row"})
_PACKED: Final = frozenset({"service.tallies.tally_item", "service.incidents.rows"})
"""What is made in one module and written by another."""
_LOGGERS_OWN: Final = ("message", "level", "timestamp", "service")


@cache
def row_writers() -> dict[str, set[str]]:
    """The attributes that each module writes into rows: members of dictionaries in a module that makes items, and the
    names behind ``#`` in its expressions."""
    found = {}
    for name, module in modules().items():
        calls = {_called(node) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
        if module.area == "service" and (calls & _WRITERS or name in _PACKED):
            found[name] = set(_keys(module.tree))
    return found


def _keys(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Dict):
            for key, value in zip(inner.keys, inner.values, strict=True):
                text = _text(value) if _text(key).startswith("#") else _text(key)
                if _NAME.match(text):
                    yield text


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _text(node: ast.AST | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def line_members() -> set[str]:
    """The members of a decision line."""
    tree = modules()["service.telemetry.decisions"].tree
    (written,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) == "_write_kept" and _text(node.args[0]) == "decision"
    ]
    named = {keyword.arg for keyword in written.keywords if keyword.arg}
    beside = [keyword.value for keyword in written.keywords if keyword.arg is None]
    helpers = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("_")
    }
    for value in beside:
        named |= set(_keys(value))
        if isinstance(value, ast.Call) and _called(value) in helpers:
            named |= set(_keys(helpers[_called(value)]))
    return named | set(_LOGGERS_OWN)


def members_of(*kinds: type[Any]) -> set[str]:
    """The members of dataclasses."""
    return {member.name for kind in kinds for member in fields(kind)}


def claims() -> set[str]:
    """What is stored of verified evidence."""
    kinds = (Claims, AppleClaims, AndroidClaims, PlayClaims, HarmonyClaims, HarmonyIntegrityClaims)
    return members_of(*kinds)


def told_to_detectors() -> set[str]:
    """What is sealed into lines, and what detectors see of it."""
    return members_of(DetectionFacts, Sighting)
