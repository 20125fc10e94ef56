"""Mutation operators of our own: the ways in which a check is lost that swapping an operator does not show.

Each yields edits of the source's text: a span, and what stands there instead.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_OPPOSITES: Final = {"min": "max", "max": "min", "all": "any", "any": "all"}


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement: the operator's name, the span as (line, column in bytes), and the new text."""

    operator: str
    begin: tuple[int, int]
    end: tuple[int, int]
    text: str


def edits(source: str) -> Iterator[Edit]:
    """Every edit of a module, in the order of the source."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0])
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp):
            yield _replace("condition-never", node.test, "False")
        elif isinstance(node, ast.Raise) or (
            isinstance(node, ast.Expr) and id(node) not in docstrings and not isinstance(node.value, ast.Constant)
        ):
            yield _replace("statement-dropped", node, "pass")
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                kept = "True" if isinstance(node.op, ast.And) else "False"
                yield _replace("operand-dropped", value, kept)
        elif isinstance(node, ast.Call):
            yield from _calls(node)
        elif isinstance(node, ast.Set | ast.Tuple | ast.List) and isinstance(
            getattr(node, "ctx", None), ast.Load | None
        ):
            yield from _elements(node, source)
        elif isinstance(node, ast.comprehension):
            for condition in node.ifs:
                yield _replace("filter-dropped", condition, "True")


def applied(source: str, edit: Edit) -> str:
    """The source with one edit made."""
    lines = source.encode("utf-8").splitlines(keepends=True)
    before = b"".join(lines[: edit.begin[0] - 1]) + lines[edit.begin[0] - 1][: edit.begin[1]]
    after = lines[edit.end[0] - 1][edit.end[1] :] + b"".join(lines[edit.end[0] :])
    return (before + edit.text.encode("utf-8") + after).decode("utf-8")


def _calls(node: ast.Call) -> Iterator[Edit]:
    if isinstance(node.func, ast.Name) and node.func.id in _OPPOSITES:
        yield _replace("opposite-function", node.func, _OPPOSITES[node.func.id])
    for keyword in node.keywords:
        if keyword.arg and len(node.keywords) + len(node.args) > 1:
            yield _replace("argument-dropped", keyword, "**{}")


def _elements(node: ast.Set | ast.Tuple | ast.List, source: str) -> Iterator[Edit]:
    if len(node.elts) < 2:
        return
    texts = [ast.get_source_segment(source, element) or "" for element in node.elts]
    opening, closing = {ast.Set: ("{", "}"), ast.Tuple: ("(", ")"), ast.List: ("[", "]")}[type(node)]
    for index in range(len(texts)):
        rest = texts[:index] + texts[index + 1 :]
        yield _replace("element-dropped", node, f"{opening}{', '.join(rest)},{closing}")


def _replace(operator: str, node: ast.expr | ast.stmt | ast.keyword, text: str) -> Edit:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return Edit(operator, (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), text)
