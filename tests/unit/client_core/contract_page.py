"""docs/wire-contract.md, read as tables."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[3] / "docs/wire-contract.md"
_CODE: Final = re.compile(r"`([^`]+)`")


@cache
def tables() -> dict[str, list[list[str]]]:
    """The rows of each table, without its head and rule, by the text of its head."""
    found: dict[str, list[list[str]]] = {}
    for block in PAGE.read_text("utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if len(lines) > 2 and set(lines[1]) <= set("|-: "):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            found["|".join(rows[0]).strip()] = rows[2:]
    return found


def table(head: str) -> list[list[str]]:
    """The rows of the one table whose head begins so."""
    (rows,) = [rows for text, rows in tables().items() if text.startswith(head)]
    return rows


def codes(cell: str) -> list[str]:
    """What a cell spells as code."""
    return _CODE.findall(cell)
