"""Where the case files with evidence from real devices lie. They stay outside the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[1]


def cases_folder(platform: str) -> Path | None:
    """The folder of one platform's cases, ``None`` when this machine has none."""
    folder = Path(os.environ.get("BONAFIDE_CASES", _ROOT.parent / "shared" / "cases")) / platform
    return folder if folder.is_dir() else None


def require_cases(platform: str) -> Path:
    """The same; skips the test, and says so, when there are none."""
    folder = cases_folder(platform)
    if folder is None:
        pytest.skip(f"NO REAL EVIDENCE: set BONAFIDE_CASES to the folder that holds {platform}/ with real case files")
    return folder


def real_case(platform: str, name: str) -> dict[str, Any]:
    """The members of one case; skips the test when it is absent."""
    path = require_cases(platform) / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"NO REAL EVIDENCE: {platform}/{name}.json is not among the case files")
    members: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return members
