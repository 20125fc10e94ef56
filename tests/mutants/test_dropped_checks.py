"""The operators of `make mutants` that are our own: each loses a check in one way, and leaves Python behind."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.dropped_checks import applied, edits

WAYS = {
    "condition-never": ("if a:\n    b()", "if False:\n    b()"),
    "statement-dropped": ("def f():\n    raise E\n", "def f():\n    pass\n"),
    "operand-dropped": ("x = a and b", "x = a and True"),
    "opposite-function": ("x = min(a, b)", "x = max(a, b)"),
    "argument-dropped": ("x = f(a, b=c)", "x = f(a, **{})"),
    "element-dropped": ("x = {a, b}", "x = {a,}"),
    "filter-dropped": ("x = [a for a in b if c]", "x = [a for a in b if True]"),
}


@pytest.mark.parametrize("operator", WAYS)
def test_check_is_lost_in_this_way(operator: str) -> None:
    """What stands there instead."""
    before, after = WAYS[operator]
    assert after in [applied(before, edit) for edit in edits(before) if edit.operator == operator]


def test_columns_are_bytes_and_lines_may_be_joined() -> None:
    """As the syntax tree counts them."""
    before = 'x = ("ä", "é",\n     c)'
    assert {applied(before, edit) for edit in edits(before)} == {
        'x = ("é", c,)',
        'x = ("ä", c,)',
        'x = ("ä", "é",)',
    }


def test_documentation_is_left_alone() -> None:
    """A docstring is a statement, too, and says nothing to a program."""
    assert list(edits('"""Module."""\n\nclass A:\n    """Class."""\n')) == []


def test_every_edit_of_these_tools_is_python() -> None:
    """Of a whole module: each edit parses, and changes something."""
    source = (__file__, __file__.replace("test_dropped_checks", "dropped_checks"))
    for path in source:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        changed = [applied(text, edit) for edit in edits(text)]
        assert len(changed) > 10
        for one in changed:
            ast.parse(one)
            assert one != text
