"""Starter policies: whole policies to begin from, shipped in the folder ``policies``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import APPRAISAL_FILE, CLIENT_FILE, PROPERTIES_FILE

POLICIES: Final = Path(__file__).parents[2] / "policies"


def starters() -> dict[str, str]:
    """Name and first sentence of every starter policy. The sentence is the first comment line of its Cedar text."""
    return {
        folder.name: _first_comment(folder / APPRAISAL_FILE)
        for folder in sorted(POLICIES.iterdir() if POLICIES.is_dir() else ())
        if (folder / APPRAISAL_FILE).is_file()
    }


def copy_starter(name: str, to: Path) -> list[Path]:
    """Copy the documents of a starter policy into the folder ``to``; nothing there is ever overwritten.

    Raises :class:`OperatorError` for a name that is none, or documents that are there already.
    """
    known = starters()
    if name not in known:
        raise OperatorError(f"There is no starter policy {name!r}; there are {', '.join(known)}.")
    sources = [POLICIES / name / document for document in (APPRAISAL_FILE, CLIENT_FILE, PROPERTIES_FILE)]
    pairs = [(source, to / source.name) for source in sources if source.is_file()]
    for _, target in pairs:
        if target.exists():
            raise OperatorError(f"{target} is there already; --to names another folder.")
    to.mkdir(parents=True, exist_ok=True)
    for source, target in pairs:
        shutil.copyfile(source, target)
    return [target for _, target in pairs]


def _first_comment(file: Path) -> str:
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("//"):
            return line.lstrip("/ ").strip()
    return ""
