"""How commands speak: tables for people, ``--json`` for scripts, one sentence on standard error when it went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

_WIDTH_OF_A_LOG: Final = 150

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for scripts instead of a table.")]
StackName = Annotated[
    str | None, typer.Option("--stack", metavar="NAME", help="A deployed stack instead of the local one.")
]
Region = Annotated[str | None, typer.Option("--region", help="AWS region of the deployed stack.")]


def out() -> Console:
    """Standard output, as it is at this moment (tests replace it). Tables in a pipe or a log are not squeezed."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_LOG
    return Console(file=sys.stdout, highlight=False, width=width)


def err() -> Console:
    """Standard error: progress and complaints, so that standard output stays clean for pipes."""
    return Console(file=sys.stderr, highlight=False)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table; an empty one keeps its head, so that "none" is visible."""
    grid = Table(*columns, title=title, title_justify="left", header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*row)
    out().print(grid)


def moment(unix_seconds: float | None) -> str:
    """A time for people, in UTC; a dash where there is none."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M:%S}Z" if unix_seconds is not None else "—"
