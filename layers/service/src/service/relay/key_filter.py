"""Keeps an upstream's key out of what an upstream sends back, also where it comes in pieces.

Forms that are found: the key itself; JSON-escaped and URL-encoded, each character in any spelling, once or twice, also
mixed; hexadecimal, both cases; base64 in all three alignments, standard and URL-safe, its characters escaped or not.
What is found is overwritten with ``*``, byte by byte, so that lengths stay. A form counts as found from the point where
half of it was seen: a key that is cut off is still a key lost.

Other encodings are out of scope (compressed, encrypted, reversed, spelled in words, one character per event): an
upstream that is out to give its own key away has it already. The filter is for the one that echoes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

SHORTEST_KEY: Final = 16
LONGEST_KEY: Final = 512
_MASK: Final = ord("*")
_MOST_BACKSLASHES: Final = 8
_FEWEST: Final = 12  # characters of a short key that must be seen: keys of one maker begin alike


def usable_key(text: str) -> bool:
    """Whether a credential can be filtered: visible ASCII, and long enough to be told from other text."""
    return SHORTEST_KEY <= len(text) <= LONGEST_KEY and all("!" <= character <= "~" for character in text)


class _Node:
    """A place within a form: where each byte leads. ``found``: enough of the form was seen to overwrite it.

    What follows a whole character is spelled out when the first answer gets there, which few do: a key has thousands
    of places, and a cold start waits for none of them.
    """

    __slots__ = ("_characters", "_next", "_steps", "found")

    def __init__(self, found: bool = False) -> None:
        self.found = found
        self._steps: dict[int, list[_Node]] = {}
        self._characters = b""
        self._next: _Node | None = None

    def continues(self, characters: bytes, to: _Node) -> None:
        """One of the characters stands here, in any spelling, and leads to ``to``."""
        self._characters, self._next = characters, to

    @property
    def steps(self) -> dict[int, list[_Node]]:
        """The nodes that each byte leads to."""
        if self._next is not None:
            to, self._next = self._next, None
            for byte in self._characters:
                _spellings(self, byte, to)
        return self._steps

    def lead(self, byte: int, to: _Node) -> None:
        """``byte`` leads to ``to``, beside where it leads already."""
        self._steps.setdefault(byte, []).append(to)

    def fresh(self, text: bytes) -> _Node:
        """A new node after ``text``."""
        node = self
        for byte in text:
            after = _Node(self.found)
            node.lead(byte, after)
            node = after
        return node


def _digits(start: _Node, text: bytes, end: _Node) -> None:
    """``text`` from ``start`` to ``end``, each of its letters in both cases."""
    for number, byte in enumerate(text, 1):
        after = end if number == len(text) else _Node(start.found)
        for spelling in {byte, ord(chr(byte).upper())}:
            start.lead(spelling, after)
        start = after


def _spellings(start: _Node, byte: int, end: _Node) -> None:
    """One character from ``start`` to ``end``: itself, ``%hh``, ``%25hh``, ``\\u00hh``, ``\\xhh``, ``\\c``, ``&#d;``,
    ``&#xhh;``. There may be several backslashes: JSON within JSON doubles them."""
    start.lead(byte, end)
    digits = b"%02x" % byte
    percent = start.fresh(b"%")
    _digits(percent, digits, end)
    _digits(percent.fresh(b"25"), digits, end)
    slashes = start
    for _ in range(_MOST_BACKSLASHES):
        slashes = slashes.fresh(b"\\")
        slashes.lead(byte, end)
        _digits(slashes, b"u00" + digits, end)
        _digits(slashes, b"x" + digits, end)
    entity = start.fresh(b"&#")
    semicolon = _Node(start.found)
    semicolon.lead(ord(";"), end)
    _digits(entity, b"%d" % byte, semicolon)
    _digits(entity, b"x" + digits, semicolon)


def _form(alternatives: list[bytes], key_length: int) -> _Node:
    """The first node of a form, given for each of its places the characters that may stand there."""
    places = len(alternatives)
    enough = min(places, max(-(-places // 2), -(-places * _FEWEST // key_length)))
    start = node = _Node()
    for number, characters in enumerate(alternatives, 1):
        end = _Node(found=number >= enough)
        node.continues(characters, end)
        node = end
    return start


def _forms(key: bytes) -> Iterator[_Node]:
    yield _form([bytes((byte,)) for byte in key], len(key))
    yield _form([bytes({digit, ord(chr(digit).upper())}) for digit in key.hex().encode()], len(key))
    for before in range(3):
        # The characters that depend on the key alone: not those that share bits with what stands before or after.
        text = base64.b64encode(bytes(before) + key)
        whole = text[-(-before * 8 // 6) : (before + len(key)) * 8 // 6]
        yield _form([{ord("+"): b"+-", ord("/"): b"/_"}.get(byte, bytes((byte,))) for byte in whole], len(key))


class KeyFilter:
    """The forms of one key. Made once per key; :meth:`stream` for each answer."""

    def __init__(self, key: str) -> None:
        """Raises :class:`ValueError` for a key that :func:`usable_key` refuses."""
        if not usable_key(key):
            raise ValueError(f"a credential must be {SHORTEST_KEY} to {LONGEST_KEY} characters of visible ASCII")
        self.starts = tuple(_forms(key.encode("ascii")))
        # Two bytes that begin a form, or one at the very end: nothing else is looked at in Python.
        pairs = {
            bytes((first, second))
            for start in self.starts
            for first, nodes in start.steps.items()
            for node in nodes
            for second in node.steps
        }
        firsts = {pair[:1] for pair in pairs}
        whole, cut = (b"|".join(re.escape(text) for text in sorted(texts)) for texts in (pairs, firsts))
        self.begins = re.compile(b"(?s:" + whole + b"|(?:" + cut + b")\\Z)")

    def stream(self) -> FilteredStream:
        """A filter for one body."""
        return FilteredStream(self)

    def text(self, text: str) -> str | None:
        """``text`` if it holds no form of the key, else ``None``: what is not a body is dropped, not mended."""
        stream, raw = self.stream(), text.encode("utf-8", "surrogatepass")
        return text if stream.feed(raw) + stream.end() == raw else None


class FilteredStream:
    """Filters one body as it comes. Holds back only what may be the beginning of a form."""

    def __init__(self, forms: KeyFilter) -> None:
        self._forms = forms
        self._held = bytearray()
        self._scanned = 0
        self._alive: dict[_Node, int] = {}  # each place within a form, and where in what is held the form began
        self.found = 0
        """Forms that were overwritten so far: an upstream that echoes its key is worth a line in the log."""

    def feed(self, data: bytes) -> bytes:
        """What may leave, given what came."""
        self._held += data
        self._scan()
        safe = min(self._alive.values(), default=len(self._held))
        out = bytes(self._held[:safe])
        del self._held[:safe]
        self._scanned -= safe
        self._alive = {node: began - safe for node, began in self._alive.items()}
        return out

    def end(self) -> bytes:
        """The rest: a form that never came to its half is none."""
        out, self._held, self._alive, self._scanned = bytes(self._held), bytearray(), {}, 0
        return out

    def _scan(self) -> None:
        held, alive, at = self._held, self._alive, self._scanned
        starts, begins = self._forms.starts, self._forms.begins
        while at < len(held):
            if not alive:
                begin = begins.search(held, at)
                if begin is None:
                    at = len(held)
                    break
                at = begin.start()
            byte = held[at]
            ahead: dict[_Node, int] = {}
            for node, began in [*alive.items(), *((start, at) for start in starts)]:
                for to in node.steps.get(byte, ()):
                    ahead[to] = min(began, ahead.get(to, began))
            at += 1
            for node, began in ahead.items():
                if node.found:
                    self.found += held[began] != _MASK
                    held[began:at] = b"*" * (at - began)
            alive = ahead
        self._alive, self._scanned = alive, at
