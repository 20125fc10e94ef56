"""The head of an HTTP/1.1 request, read strictly: whatever two readers could take for two things is refused."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MOST_HEAD_BYTES: Final = 65_536
MOST_FIELDS: Final = 200
MOST_BODY_BYTES: Final = 1 << 20
"""Longest body that is read, and dropped, so that the connection can be used again."""

_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~\x80-\xff]+) HTTP/1\.([01])\Z")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)\Z")


class BadHead(Exception):
    """The head is malformed; the text says how, and quotes nothing of it."""


class Head(NamedTuple):
    """``target`` is as it was sent, ``fields`` in their order, ``body_length`` what is to be read after the head."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body_length: int
    keeps_alive: bool

    def values(self, name: str) -> list[str]:
        """All values of a field, whose name is given in small letters."""
        return [value for known, value in self.fields if known.lower() == name]


def read_head(data: bytes) -> Head:
    """Read a head up to, and without, the empty line that ends it. Raises :class:`BadHead`."""
    first, *lines = data.split(b"\r\n")
    line = _LINE.match(first)
    if line is None:
        raise BadHead("no request line of HTTP/1")
    if len(lines) > MOST_FIELDS:
        raise BadHead("too many fields")
    fields = []
    for text in lines:
        field = _FIELD.match(text)
        if field is None:  # a folded one, too (RFC 9112 §5.2)
            raise BadHead("a malformed field")
        fields.append((field[1].decode("ascii"), field[2].decode("latin-1").rstrip(" \t")))
    head = Head(line[1].decode("ascii"), line[2].decode("latin-1"), tuple(fields), 0, True)
    if head.values("transfer-encoding"):
        raise BadHead("a body without a length")
    lengths = head.values("content-length")
    if len(lengths) > 1 or not all(one.isascii() and one.isdecimal() and len(one) < 10 for one in lengths):
        raise BadHead("a length that is none")
    length = int(lengths[0]) if lengths else 0
    if length > MOST_BODY_BYTES:
        raise BadHead("a body that is too long")
    options = {option.strip().lower() for value in head.values("connection") for option in value.split(",")}
    keeps_alive = "close" not in options if line[3] == b"1" else "keep-alive" in options
    return head._replace(body_length=length, keeps_alive=keeps_alive)
