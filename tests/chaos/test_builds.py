"""Broken builds: each invariant has one, its change fits the source, and the copy is whole otherwise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout
from devkit.chaos.histories import History
from devkit.chaos.invariants import judge
from tests.chaos.builds import BUILDS, BrokenBuild, build


def test_each_invariant_has_a_broken_build() -> None:
    """None is left out, and none is invented."""
    assert {one.invariant for one in BUILDS} == {verdict.invariant for verdict in judge(History())}


@pytest.mark.parametrize("broken", BUILDS, ids=lambda one: one.name)
def test_the_change_fits_the_source(broken: BrokenBuild) -> None:
    """In one place, and what it leaves is Python."""
    source = (Layout.of_this_project().root / broken.file).read_text("utf-8")
    assert source.count(broken.old) == 1
    ast.parse(source.replace(broken.old, broken.new))


def test_a_build_is_a_copy_with_one_change(tmp_path: Path) -> None:
    """Functions and layers are its own, and the checkout is left alone."""
    (broken,) = [one for one in BUILDS if one.invariant == "once"]
    before = (Layout.of_this_project().root / broken.file).read_bytes()
    layout = build(tmp_path / "copy", broken)
    assert (layout.root / broken.file).read_text("utf-8") == before.decode().replace(broken.old, broken.new)
    assert (Layout.of_this_project().root / broken.file).read_bytes() == before
    assert layout.template.is_file()
    assert not layout.template.is_symlink()
    assert layout.packages.resolve() == Layout.of_this_project().packages.resolve()
