"""How commands speak: tables for people, ``--json`` for scripts, one sentence on standard error when it went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import IO, Annotated, Any, Final

import typer
from rich.console import Console, RenderableType
from typer.core import TyperGroup

from bonafide.cli.tables import Cell, print_table, printable

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

_WIDTH_OF_A_LOG: Final = 150
_UNBOUNDED: Final = 100_000

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for scripts instead of a table.")]
StackName = Annotated[
    str | None, typer.Option("--stack", metavar="NAME", help="A deployed stack instead of the local one.")
]
Region = Annotated[str | None, typer.Option("--region", help="AWS region of the deployed stack.")]


class CommandGroup(TyperGroup):
    """Commands whose list says the first sentence of each one whole, however narrow the terminal."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "subcommand_metavar": "COMMAND"})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(_UNBOUNDED)) for name, one in commands if one and not one.hidden]
            )


def command_group(about: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(cls=CommandGroup, no_args_is_help=True, help=about)


class _Plain(Console):
    """A console for which a string is text, never markup or an escape sequence, and which breaks no word of it. What
    has a style is a :class:`rich.text.Text`."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(printable(item) if isinstance(item, str) else item for item in objects), **options)


def out() -> Console:
    """Standard output, as it is at this moment (tests replace it). Tables in a pipe or a log are not squeezed."""
    return _console(sys.stdout, None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_LOG)


def print_tree(tree: RenderableType) -> None:
    """Print a tree of facts. Its lines are not wrapped here but by the terminal, which keeps a copied digest whole."""
    _console(sys.stdout, _UNBOUNDED).print(tree)


def err() -> Console:
    """Standard error: progress and complaints, so that standard output stays clean for pipes."""
    return _console(sys.stderr, None)


def _console(file: IO[str], width: int | None) -> Console:
    return _Plain(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None) -> None:
    """Print a table: drawn where no word is broken by that, else a block of lines for each row."""
    print_table(out(), columns, rows, title=title)


def moment(unix_seconds: float | None) -> str:
    """A time for people, in UTC; a dash where there is none."""
    return f"{datetime.fromtimestamp(unix_seconds, UTC):%Y-%m-%d %H:%M:%S}Z" if unix_seconds is not None else "—"
