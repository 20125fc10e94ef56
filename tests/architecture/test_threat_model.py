"""The tests that docs/threat-model.md and docs/harmonyos.md name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("docs/threat-model.md", "docs/harmonyos.md")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named_tests(document: str) -> set[tuple[str, str]]:
    return set(_NAMED.findall((ROOT / document).read_text("utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_tests_exist(document: str) -> None:
    """A document that names a test as proof is checked against the test tree."""
    named = named_tests(document)
    missing = [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not (ROOT / path).is_file() or (name and f"def {name}(" not in (ROOT / path).read_text("utf-8"))
    ]
    assert named
    assert not missing
