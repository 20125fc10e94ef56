"""The driver of mutants: a list that lies is told, and every mutant of the libraries can be applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devkit.kit.catalogue import SCENARIOS
from tests.clients.library import ROOT, Broken, Library, names, table
from tests.clients.mutants import Mutant, mutants_of, noticed

MUTANT = Mutant("skips expiry", "core.x", "age < life", "true", ("kit:short-token",))
WITH_MUTANTS = [name for name in names() if (ROOT / "clients" / name / "mutants.json").exists()]


def test_mutant_changes_the_one_place() -> None:
    assert MUTANT.applied("if age < life:") == "if true:"


@pytest.mark.parametrize(("text", "times"), [("", 0), ("age < life; age < life", 2)])
def test_text_that_does_not_stand_there_once_is_told(text: str, times: int) -> None:
    """A list that fell behind the sources must not look like mutants that were caught."""
    with pytest.raises(Broken, match=f"{times} times, not once"):
        MUTANT.applied(text)


@pytest.mark.parametrize("change", [{"caught_by": []}, {"replace": "age < life"}, {"file": None, "find": None}])
def test_entry_that_changes_or_names_nothing_is_told(change: dict[str, object]) -> None:
    entry = {"name": "a", "file": "f", "find": "age < life", "replace": "b", "caught_by": "kit:storm", **change}
    if change.get("file", "") is None:
        del entry["file"]
    with pytest.raises(Broken):
        Mutant.read(entry)


@pytest.mark.parametrize("by", ["kit:no-such-scenario", "storms", "no-such-file.json:case", "../x.json:case"])
def test_name_of_no_vector_and_no_scenario_is_told(by: str, tmp_path: Path) -> None:
    library = Library("x", tmp_path, tmp_path, {}, (), (), (), "android", "demo")
    with pytest.raises(Broken, match=r"no such scenario|neither"):
        noticed(library, by)


@pytest.mark.parametrize("name", names())
def test_library_says_how_it_is_built(name: str) -> None:
    """Its `client.json` is whole, and its sources hold no built file."""
    library = Library.load(name)
    assert library.build_commands
    assert library.vectors_command
    assert library.program_command
    assert library.platform in ("ios", "android", "harmony")


@pytest.mark.parametrize("name", WITH_MUTANTS)
def test_every_mutant_can_be_applied_and_names_its_judge(name: str) -> None:
    """Without a compiler: its text stands in its file once, and what shall catch it exists."""
    mutants = mutants_of(name)
    assert len(mutants) >= 20
    for mutant in mutants:
        mutant.applied((ROOT / "clients" / name / mutant.file).read_text("utf-8"))
        for by in mutant.caught_by:
            kind, _, case = by.partition(":")
            assert case in SCENARIOS if kind == "kit" else _has_case(kind, case), f"{mutant.name}: {by}"


def _has_case(file: str, case: str) -> bool:
    return any(
        name.startswith(case.strip()) for name in _cases(json.loads((ROOT / "vectors" / file).read_text("utf-8")))
    )


def _cases(value: object) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in _cases(one)]
    if not isinstance(value, dict):
        return []
    named = [str(value["case"])] if "case" in value else []
    return named + [name for one in value.values() for name in _cases(one)]


def test_table_has_columns() -> None:
    assert table(("a", "bb"), [("ccc", "d")]) == "a    bb\nccc  d"
