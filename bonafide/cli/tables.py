"""Tables that keep whole what a person copies out of them: key_ids, rule ids, digests, ARNs, support codes, URLs.

A word, which is all that stands between two spaces, is never cut and never broken, however narrow the terminal. A table
that cannot be drawn so is written as one block of lines for each row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | Text

_READABLE: Final = 20
"""Cells to which a column of prose may shrink before blocks of lines read better."""
_INDENT: Final = 2
_KEPT: Final = frozenset("\n\t")
_WORD: Final = re.compile(r"\S+\s*")


def printable(text: str) -> str:
    """Text without control characters: what apps and devices said about themselves must not steer a terminal."""
    plain = text.replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in _KEPT else "\N{REPLACEMENT CHARACTER}" for c in plain)


def print_table(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None
) -> None:
    """Print a table as wide as ``console`` at most, but for words that are longer. Strings are text, never markup.

    A first column without a head names its row. An empty table keeps its head, so that "none" is visible.
    """
    heads = [Text(printable(head), style="bold") for head in columns]
    cells = [[_text(cell) for cell in row] for row in rows]
    if title is not None:
        console.print(Text(printable(title), style="italic"), soft_wrap=True)
    widths = _widths(heads, cells, console.width)
    if widths is not None:
        console.print(_grid(heads, cells, widths), soft_wrap=False, crop=False)
        return
    for line in _blocks(console, heads, cells):
        console.print(line, soft_wrap=True)


def _text(cell: Cell) -> Text:
    return Text(printable(cell)) if isinstance(cell, str) else cell


def _widths(heads: Sequence[Text], rows: Sequence[Sequence[Text]], width: int) -> list[int] | None:
    """The width of each column in a drawn table of ``width``; ``None`` where a word would have to be broken."""
    columns = [[head, *(row[index] for row in rows)] for index, head in enumerate(heads)]
    natural = [max(map(_longest_line, column)) for column in columns]
    least = [
        max([*map(_longest_word, column), *(min(_READABLE, _longest_line(cell)) for cell in column[1:])])
        for column in columns
    ]
    # Between two columns " │ ", at both edges a line, with a space inside.
    spare = width - (3 * len(columns) - 1) - sum(least)
    if spare < 0:
        return None
    widths = []
    wanted = sum(natural) - sum(least)
    for most, few in zip(natural, least, strict=True):
        more = min(most - few, spare if wanted <= spare else spare * (most - few) // wanted)
        widths.append(few + more)
    return widths


def _grid(heads: Sequence[Text], rows: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
    grid = Table(pad_edge=False)
    for head, width in zip(heads, widths, strict=True):
        grid.add_column(head, width=width, overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _blocks(console: Console, heads: Sequence[Text], rows: Sequence[Sequence[Text]]) -> Iterator[Text]:
    if not rows:
        named = ", ".join(head.plain for head in heads if head.plain)
        yield from _wrapped(console, Text(f"{named}: none"), 0)
        return
    if len(heads) == 2 and not heads[0].plain:
        # Names and what is said of them: the rows themselves are the lines.
        yield from _wrapped(console, heads[1], 0)
        longest = max(cell_len(name.plain) for name, _ in rows)
        for name, said in rows:
            yield from _fact(console, name, said, longest)
        return
    longest = max(cell_len(head.plain) for head in heads)
    for number, row in enumerate(rows):
        if number:
            yield Text()
        for head, cell in zip(heads, row, strict=True):
            if head.plain and cell.plain:
                yield from _fact(console, head, cell, longest)
            elif cell.plain:
                yield from _wrapped(console, cell, 0)


def _fact(console: Console, name: Text, said: Text, longest: int) -> Iterator[Text]:
    """A name and what is said of it: beside it where that fits, else below it."""
    beside = longest + _INDENT
    if not said.plain:
        yield from _wrapped(console, name, 0)
    elif beside + max(_longest_word(said), _READABLE) <= console.width:
        first, *more = _wrapped(console, said, beside)
        yield name + Text(" " * (beside - cell_len(name.plain))) + first[beside:]
        yield from more
    else:
        yield from _wrapped(console, name, 0)
        yield from _wrapped(console, said, _INDENT)


def _wrapped(console: Console, text: Text, indent: int) -> Iterator[Text]:
    width = console.width - indent
    for line in text.split(allow_blank=True):
        for part in line.divide(_breaks(line.plain, width)):
            part.rstrip()
            # A word that is longer than the terminal begins its line, so that what is copied is the word alone.
            yield Text(" " * (indent if cell_len(part.plain) <= width else 0)) + part


def _breaks(line: str, width: int) -> list[int]:
    """Where to break a line so that each part has ``width`` cells at most, or one word. (rich would break the word.)"""
    places = []
    used = 0
    for word in _WORD.finditer(line):
        if used and used + cell_len(word[0].rstrip()) > width:
            places.append(word.start())
            used = 0
        used += cell_len(word[0])
    return places


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)


def _longest_line(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")), default=0)
