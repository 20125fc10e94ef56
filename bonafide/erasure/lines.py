"""Recorded decisions without those of one key."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_GZIP: Final = b"\x1f\x8b"


class Rewritten(NamedTuple):
    """What is left, and how many records were taken away. ``unreadable`` counts lines that name the key and are
    damaged."""

    data: bytes
    erased: int
    unreadable: int = 0


def without_key(data: bytes, key_id: str) -> Rewritten:
    """The content of a file or object with decisions, plain or gzipped as before, without the records of ``key_id``.

    Every other line stays as it was, octet by octet. What is damaged in a line that names the key is erased: a person
    was promised that it is gone. Raises :class:`ValueError` for gzip that does not unpack to its end.
    """
    packed = data[:2] == _GZIP
    text = _unpacked(data) if packed else data
    wanted = key_id.encode()
    if wanted not in text:
        return Rewritten(data, 0)
    kept, erased, unreadable = io.BytesIO(), 0, 0
    for line in text.splitlines(keepends=True):
        if wanted not in line:
            kept.write(line)
            continue
        rest, taken, damaged = _line_without(line, key_id)
        kept.write(rest)
        erased, unreadable = erased + taken, unreadable + damaged
    if not erased and not unreadable:
        return Rewritten(data, 0)
    left = kept.getvalue()
    return Rewritten(gzip.compress(left) if packed else left, erased, unreadable)


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("gzip that does not unpack") from error


def _line_without(line: bytes, key_id: str) -> tuple[bytes, int, int]:
    """A line, in which Firehose may have put several records; how many of them went, and whether one was damaged: then
    it goes, with what is behind it in the line."""
    text = line.decode("utf-8", "replace")
    kept, erased, damaged = list[str](), 0, 0
    try:
        for start, end, value in _values(text):
            left, taken = _value_without(value, key_id)
            erased += taken
            if not taken:
                kept.append(text[start:end])
            elif left is not None:
                kept.append(json.dumps(left, separators=(",", ":")))
    except (ValueError, RecursionError):
        damaged = 1
    ending = "\n" if text.endswith("\n") and kept else ""
    return ("".join(kept) + ending).encode(), erased, damaged


def _values(text: str) -> Iterator[tuple[int, int, Any]]:
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        if text[place] in " \t\r\n":
            place += 1
            continue
        value, end = decoder.raw_decode(text, place)
        yield place, end, value
        place = end


def _value_without(value: Any, key_id: str) -> tuple[Any, int]:
    """A record, or an envelope of CloudWatch Logs without the events of the key; ``None`` for nothing."""
    events = value.get("logEvents") if isinstance(value, dict) else None
    if not isinstance(events, list):
        return (None, 1) if _mentions(value, key_id) else (value, 0)
    kept = [event for event in events if not _mentions(event, key_id)]
    return ({**value, "logEvents": kept} if kept else None), len(events) - len(kept)


def _mentions(value: Any, key_id: str) -> bool:
    """Whether a record is the key's own, or names it anywhere, also in a message inside it."""
    match value:
        case str():
            return key_id in value
        case dict():
            return any(_mentions(member, key_id) for member in value.values())
        case list():
            return any(_mentions(member, key_id) for member in value)
        case _:
            return False
