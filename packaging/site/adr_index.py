"""The index of decisions: `python packaging/site/adr_index.py` writes docs/adr/README.md, and a test compares."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / "docs/adr"
_HEAD: Final = """# Decisions

Why Bonafide is built as it is, and what else was considered. A decision that no longer holds names its successor.
A new one takes the next free number and has the parts *Context*, *Decision*, *Considered* and *Consequences*.

| | decision | status |
|---|---|---|
"""


def index() -> str:
    """The page, from the first heading and the status line of each decision."""
    return _HEAD + "".join(_row(path) for path in sorted(FOLDER.glob("0*.md")))


def _row(path: Path) -> str:
    text = path.read_text("utf-8")
    heading = re.match(r"# ([0-9]+)\. (.+)\n", text)
    status = re.search(r"^\*\*Status:\*\* (.+)$", text, re.MULTILINE)
    if not heading or not status or int(heading[1]) != int(path.name[:4]):
        raise ValueError(f"{path.name} needs a heading with its number, and a line that begins with **Status:**")
    return f"| {heading[1]} | [{heading[2]}]({path.name}) | {status[1].rstrip('.')} |\n"


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(index(), "utf-8")
