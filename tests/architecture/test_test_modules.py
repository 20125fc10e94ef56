"""Tests stand alone: what two of them need has a module of its own, and a name that says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, python_files


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_a_test_module(path: Path) -> None:
    """Moving or deleting one test never breaks another. ``from . import test_x`` counts as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            of = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = [part for alias in node.names for part in f"{of}.{alias.name}".split(".")]
            assert not [name for name in names if name.startswith("test_")], f"line {node.lineno}"
