"""Google's status list as it was once published."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.android.revocation import StatusList, parse_status_list

from tests.real_cases import cases_folder, require_cases

from .scene import NOW


def real_list(name: str) -> StatusList:
    """A published list, or a skipped test that says so."""
    folder = (cases_folder("android") or require_cases("android")).parents[1] / "statuslists"
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"NO REAL STATUS LIST: {name} is not beside the case files")
    return parse_status_list(path.read_bytes(), fetched_at=NOW)
