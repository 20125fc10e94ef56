"""The statements of a Cedar text, with their places. Cedar's own messages and its JSON form name none.

Only as much of the language as that takes: comments, strings and what ends a statement. Whether the text is Cedar at
all is for Cedar to say, first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|//[^\r\n]*)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+)
    | (?P<mark>::|==|!=|<=|>=|&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One token. ``kind`` is ``string``, ``name``, ``number`` or ``mark``; ``offset`` counts characters from the start
    of the whole text, ``line`` and ``column`` from 1."""

    kind: str
    text: str
    offset: int
    line: int
    column: int


class Statement(NamedTuple):
    """One policy statement, from its first annotation to its semicolon. ``line`` is where it begins."""

    text: str
    offset: int
    line: int
    tokens: tuple[Token, ...]


def tokens_of(text: str) -> Iterator[Token]:
    """The tokens of ``text``, without space and comments."""
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield Token(match.lastgroup or "", match.group(), match.start(), line, match.start() - start + 1)
        breaks = match.group().count("\n")
        if breaks:
            line += breaks
            start = match.start() + match.group().rindex("\n") + 1


def statements_of(text: str) -> tuple[Statement, ...]:
    """The statements of ``text`` in their order; a last one without a semicolon counts as well."""
    statements: list[Statement] = []
    tokens: list[Token] = []
    for token in tokens_of(text):
        tokens.append(token)
        if token.text == ";" and token.kind == "mark":
            statements.append(_statement(text, tokens))
            tokens = []
    if tokens:
        statements.append(_statement(text, tokens))
    return tuple(statements)


def _statement(text: str, tokens: list[Token]) -> Statement:
    first, last = tokens[0], tokens[-1]
    return Statement(text[first.offset : last.offset + len(last.text)], first.offset, first.line, tuple(tokens))
