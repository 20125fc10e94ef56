"""Where things are and what they are called (ARCHITECTURE §12)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.rooms import MAX_MODULES, module_counts
from tests.architecture.source_tree import FUNCTIONS, ROOT, Module, modules, python_files

MAX_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared", "lib", "tools"}
SIDE_EFFECTS = {"client", "resource", "getenv", "Logger", "Metrics", "basicConfig", "getLogger", "print", "open"}
FUNCTION_FOLDERS = sorted(path for path in FUNCTIONS.iterdir() if path.is_dir() and any(path.glob("*.py")))


def test_files_are_short_and_well_named() -> None:
    """A file of at most 400 lines has one subject, and a name that says which."""
    assert len(python_files()) > 500
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {path: number for path, number in lines.items() if number > MAX_LINES} == {}
    assert [str(path) for path in python_files() if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("folder", sorted(module_counts()))
def test_folder_is_one_room(folder: str) -> None:
    """A folder of more modules holds more than one idea."""
    assert module_counts()[folder] <= MAX_MODULES


def test_package_files_hold_no_logic() -> None:
    """An ``__init__`` says in one sentence what the package is, and does nothing."""
    for path in (path for path in python_files() if path.stem == "__init__"):
        body = ast.parse(path.read_text("utf-8")).body
        assert len(body) <= 1, path
        assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), path


def test_modules_say_what_they_promise() -> None:
    """Every module that ships has a docstring."""
    assert [module.name for module in modules().values() if not ast.get_docstring(module.tree)] == []


@pytest.mark.parametrize("folder", FUNCTION_FOLDERS, ids=lambda folder: folder.name)
def test_function_folder_has_its_module_and_events(folder: Path) -> None:
    """functions/<verb>/<verb>.py and events/<verb>/<case>.json."""
    assert (folder / f"{folder.name}.py").is_file()
    assert list((ROOT / "events" / folder.name).glob("*.json"))


@pytest.mark.parametrize(
    "module", [m for m in modules().values() if m.area not in ("bonafide", "devkit")], ids=lambda m: m.name
)
def test_importing_has_no_side_effect(module: Module) -> None:
    """At module level there are definitions and constants; no clients, no environment, no logging set-up.

    Wiring at INIT is allowed, in Lambda alone: ``handler = endpoint(...)``, or under AWS_LAMBDA_INITIALIZATION_TYPE.
    """
    statements = [node for node in module.tree.body if not _defines(node) and not _is_init_in_lambda(node)]
    nodes = [node for statement in statements for node in ast.walk(statement) if not _inside_lambda(statement, node)]
    called = {getattr(n.func, "attr", getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)}
    assert called & SIDE_EFFECTS == set()
    assert not any(isinstance(node, ast.Attribute) and node.attr == "environ" for node in nodes)


def _defines(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.ClassDef)


def _is_init_in_lambda(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "AWS_LAMBDA_INITIALIZATION_TYPE" in ast.unparse(statement.test)


def _inside_lambda(statement: ast.AST, call: ast.AST) -> bool:
    return any(isinstance(node, ast.Lambda) and call in ast.walk(node) for node in ast.walk(statement))
