"""The marks of certificates that a slot is about: the newest two, because they change with the epoch."""

from __future__ import annotations

from typing import Final

_MARK: Final = 32
MARKS: Final = 2 * _MARK
"""Bytes of a slot."""


def with_marks(held: bytes, mark: str) -> bytes:
    """What is held, with ``mark`` in front where it is another one."""
    raw = mark.encode()
    if not raw or len(raw) > _MARK or mark in read_marks(held):
        return held
    return raw.ljust(_MARK, b"\0") + held[:_MARK]


def read_marks(held: bytes) -> tuple[str, ...]:
    """The marks that are held."""
    texts = (held[place : place + _MARK].rstrip(b"\0").decode() for place in (0, _MARK))
    return tuple(text for text in texts if text)
