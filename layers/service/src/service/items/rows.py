"""Rows as dataclasses: each attribute of a row is the member of its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def from_row(kind: type[T], row: Mapping[str, Any], /, **read: object) -> T:
    """The dataclass ``kind`` of a row; ``read`` are the members that are spelled in another way there. Only members
    whose default is ``None`` may be absent. Raises ``KeyError`` for others."""
    members: Any = {member.name: member for member in fields(kind)}  # type: ignore[arg-type]
    plain = {
        name: row.get(name) if member.default is None else row[name]
        for name, member in members.items()
        if name not in read
    }
    return kind(**plain, **read)


def to_row(value: object, /, **told: object) -> dict[str, Any]:
    """The members of a dataclass by name; ``told`` are those that are spelled in another way."""
    return {member.name: getattr(value, member.name) for member in fields(value)} | told  # type: ignore[arg-type]
