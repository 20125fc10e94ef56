"""The files are what is minted, and each case in them can be told from the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vectors.cases import content
from tests.vectors.mint import FILES, FOLDER, differing, main


def test_files_are_as_minted() -> None:
    """A client in another language is checked by the files, our code by what mints them."""
    assert differing() == []


def test_check_fails_for_a_changed_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("tests.vectors.mint.FOLDER", tmp_path)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "waits.json").write_text("{}", "utf-8")
    assert differing() == ["waits"]


@pytest.mark.parametrize("name", FILES)
def test_cases_have_names_of_their_own(name: str) -> None:
    """A mutant is caught by a named case: two of one name would say nothing."""
    for group, cases in content(name).items():
        if isinstance(cases, list) and cases and isinstance(cases[0], dict) and "case" in cases[0]:
            names = [case["case"] for case in cases]
            assert len(names) == len(set(names)), group


def test_readme_describes_every_file() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    assert [path.name for path in sorted(FOLDER.glob("*.json")) if f"`{path.name}`" not in text] == []
