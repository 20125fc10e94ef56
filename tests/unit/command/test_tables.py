"""The one table of all commands: what is copied out of it stays whole, and what others wrote into it stays text."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bonafide.cli.tables import print_table

DIGEST = "5ef4c0d0" * 8
ARN = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_PolicyPublisher_0a1b2c3d4e5f6071/ann.example@example.org"
URL = "https://abcdefghij.execute-api.eu-central-1.amazonaws.com/prod/v1/whoami"


def drawn(width: int, columns: list[str], rows: list[list[str]], title: str | None = None) -> str:
    """A table as a terminal of ``width`` gets it."""
    file = io.StringIO()
    print_table(Console(file=file, width=width, markup=True), columns, rows, title=title)
    return file.getvalue()


WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=90)
CELL = st.lists(WORD, max_size=6).map(" ".join)


@settings(max_examples=300)
@given(width=st.integers(20, 220), data=st.data())
def test_words_are_whole_at_any_width_and_lines_are_no_wider_than_they_must(width: int, data: st.DataObject) -> None:
    """Words of any script, also those that look like markup or an emoji; a line is wider than the terminal only where
    one word alone is."""
    count = data.draw(st.integers(1, 6))
    columns = data.draw(st.lists(st.from_regex(r"[a-z]{0,9}", fullmatch=True), min_size=count, max_size=count))
    rows = data.draw(st.lists(st.lists(CELL, min_size=count, max_size=count), max_size=4))
    text = drawn(width, columns, rows)
    for word in (word for row in rows for cell in row for word in cell.split()):
        assert word in text
    for line in text.splitlines():
        assert cell_len(line) <= width or len(line.split()) == 1


@pytest.mark.parametrize("width", [40, 80, 200])
def test_narrow_table_becomes_blocks_and_identifiers_stay_whole(width: int) -> None:
    """Nothing is cut, nothing is told by three dots, every head says what stands beside it."""
    text = drawn(width, ["key", "by", "url"], [[DIGEST, ARN, URL], ["k-2", "ann", ""]], title=f"Of {URL}")
    assert all(word in text for word in (DIGEST, ARN, URL, f"Of {URL}"))
    assert "…" not in text
    assert "│" not in text if width < 200 else True
    assert re.search(r"key\s+", text)


def test_table_that_fits_is_drawn_as_one() -> None:
    """The usual case keeps its columns."""
    assert "│" in drawn(80, ["starter", "for"], [["strict-bank", "Banks"]])


def test_prose_is_wrapped_before_a_table_is_taken_apart() -> None:
    """Sentences can be broken between words; a column of them is drawn down to a readable width."""
    text = drawn(60, ["name", "why"], [["one", "because the sentence is long " * 4]])
    assert "│" in text
    assert max(map(cell_len, text.splitlines())) <= 60


def test_what_others_wrote_is_text() -> None:
    """The attack: an app says its model is an escape sequence, an operator gives markup for a reason."""
    text = drawn(80, ["why"], [["[/] [bold]x[/bold] :key: \x1b[2J \u202e\rend"]])
    assert "[/] [bold]x[/bold] :key:" in text
    assert not set(text) & {"\x1b", "\u202e", "\r"}


@pytest.mark.parametrize("width", [20, 80])
def test_empty_table_keeps_its_head(width: int) -> None:
    """So that "none" is visible."""
    text = drawn(width, ["audience", "method", "would be refused"], [])
    assert "audience" in text
    assert "refused" in text
