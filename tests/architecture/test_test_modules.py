"""Tests stand alone: what two of them need has a module of its own, and a name that says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, python_files
from tests.conftest import OF_ONE_STACK


def imports_of_test_modules(source: str) -> Iterator[int]:
    """The lines that import one. ``from . import test_x`` counts as well."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            of = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = [part for alias in node.names for part in f"{of}.{alias.name}".split(".")]
            if any(name.startswith("test_") for name in names):
                yield node.lineno


def test_no_module_imports_a_test_module() -> None:
    """Moving or deleting one test never breaks another."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files()
        for line in imports_of_test_modules(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("source", ["import tests.test_x", "from . import test_x", "from tests.test_x import names"])
def test_rule_finds_what_it_is_for(source: str) -> None:
    """However it is imported."""
    assert list(imports_of_test_modules(source)) == [1]


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "end_to_end").glob("test_*.py")), ids=lambda path: path.stem)
def test_files_that_share_a_stack_run_in_one_worker(path: Path) -> None:
    """Else every worker starts that stack anew. A file with a fixture of the same name shares nothing."""
    functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
    fixtures = [one for one in functions if any("fixture" in ast.unparse(mark) for mark in one.decorator_list)]
    tests = [one for one in functions if one.name.startswith("test_")]
    asked = {argument.arg for function in (*fixtures, *tests) for argument in function.args.args}
    shared = ({"stack", "probe"} & asked) - {fixture.name for fixture in fixtures}
    assert bool(shared) == (path.relative_to(ROOT).as_posix() in OF_ONE_STACK)


def test_tests_that_share_a_stack_are_there() -> None:
    """A name of the list that is gone must leave it."""
    assert [name for name in OF_ONE_STACK if not (ROOT / name).exists()] == []
