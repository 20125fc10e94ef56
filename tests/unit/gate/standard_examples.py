"""Examples out of standards, as files recorded them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.real_cases import cases_folder


def examples(name: str) -> dict[str, Any]:
    cases = cases_folder(".")
    path = None if cases is None else cases.resolve().parent / "standards" / f"{name}.json"
    if path is None or not path.is_file():
        pytest.skip(f"NO STANDARDS' EXAMPLES: {name}.json is not beside the case files; set BONAFIDE_CASES")
    members: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return members
