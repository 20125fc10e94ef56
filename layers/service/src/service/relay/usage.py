"""What a call asks for and what it used, read from bodies of OpenAI's and Anthropic's shape.

Read, never believed blindly: numbers are whole, bounded, and only grow. What an answer does not say is not guessed;
the caller keeps what was reserved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_TOKENS: Final = 10**9
_MAX_DOCUMENT: Final = 4 << 20
_MAX_LINE: Final = 1 << 20
_ASKED: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_TIMES: Final = ("n", "best_of")
_READ: Final = frozenset({*_ASKED, *_TIMES, "model"})
_INPUT: Final = ("input_tokens", "prompt_tokens")
_BESIDE_INPUT: Final = ("cache_creation_input_tokens", "cache_read_input_tokens")  # Anthropic's input leaves these out
_OUTPUT: Final = ("output_tokens", "completion_tokens")
_HOLDERS: Final = ("message", "response")  # message_start of Anthropic, response.completed of OpenAI's Responses


class Tokens(NamedTuple):
    """Tokens that go in and come out."""

    input: int
    output: int


class AskUnreadable(Exception):
    """The request does not say in a readable way how much it asks for. The message holds nothing of the body."""


def asked(body: Mapping[str, object], size: int) -> Tokens | None:
    """The most that a request can use: no text has more tokens than ``size``, its bytes; and what it says of its
    answer, times the answers that it wants. ``None`` for the output's sake when it says nothing.

    Images and documents that a body only names by address can cost more than its bytes say. Raises
    :class:`AskUnreadable` for a limit that is no whole number, and for one in another spelling.
    """
    # Some upstreams read names of members without regard to case, and so another member than this does.
    if any(name not in _READ and name.lower() in _READ for name in body):
        raise AskUnreadable("a limit or the model in another spelling")
    limits = [_positive(body[name], name) for name in _ASKED if body.get(name) is not None]
    if not limits:
        return None
    times = max([1, *(_positive(body[name], name) for name in _TIMES if body.get(name) is not None)])
    return Tokens(size, min(max(limits) * times, MOST_TOKENS))


def _positive(value: object, name: str) -> int:
    if type(value) is not int or not 0 < value <= MOST_TOKENS:
        raise AskUnreadable(f"{name} is not a whole number above 0")
    return value


@dataclass(slots=True)
class UsageReader:
    """Reads one answer as it passes: a JSON document, or server-sent events (``events``), both bounded in memory."""

    events: bool
    _buffer: bytearray = field(default_factory=bytearray)
    _input: int | None = None
    _output: int | None = None
    _lost: bool = False

    def feed(self, data: bytes) -> None:
        """The next bytes of the answer."""
        if self._lost:
            return
        self._buffer += data
        if not self.events:
            self._lost = len(self._buffer) > _MAX_DOCUMENT
        else:
            *lines, rest = self._buffer.split(b"\n")
            for line in lines:
                self._line(bytes(line))
            self._buffer = rest
            self._lost = len(rest) > _MAX_LINE
        if self._lost:
            self._buffer = bytearray()

    def tokens(self) -> Tokens | None:
        """What the whole answer said, once it has ended; ``None`` when it did not say both numbers, or not readably."""
        if not self.events:
            self._document(bytes(self._buffer))
        elif self._buffer:
            self._line(bytes(self._buffer))
        self._buffer = bytearray()
        if self._lost or self._input is None or self._output is None:
            return None
        return Tokens(self._input, self._output)

    def _line(self, line: bytes) -> None:
        # Most events are text and say nothing of usage: two scans in C tell them apart.
        if line.startswith(b"data:") and b'"usage"' in line:
            self._document(line[5:].strip())

    def _document(self, text: bytes) -> None:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return
        if type(document) is not dict:
            return
        self._note(document.get("usage"))
        for holder in _HOLDERS:
            if type(held := document.get(holder)) is dict:
                self._note(held.get("usage"))

    def _note(self, usage: object) -> None:
        if type(usage) is not dict:
            return
        into, out = _first(usage, _INPUT), _first(usage, _OUTPUT)
        if into is not None:
            beside = sum(_whole(usage.get(name)) or 0 for name in _BESIDE_INPUT)
            self._input = max(self._input or 0, into + beside)
        if out is not None:
            self._output = max(self._output or 0, out)


def _first(usage: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    return next((number for name in names if (number := _whole(usage.get(name))) is not None), None)


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None
