"""The answers that the console's pages are tested with are such as the Admin API gives."""

from __future__ import annotations

import json

import pytest

from tests.unit.view.documented import ANSWERS, SCHEMAS, check_documented


@pytest.mark.parametrize("name", SCHEMAS)
def test_answer_is_documented(name: str) -> None:
    """The failure: pages that work with what their author made up."""
    check_documented(SCHEMAS[name], json.loads((ANSWERS / f"{name}.json").read_text("utf-8")))


def test_no_other_answers_lie_about() -> None:
    """A file that no schema is looked up for is compared with none."""
    assert {path.stem for path in ANSWERS.glob("*.json")} >= set(SCHEMAS)
