"""Where in a JSON text each member stands: for messages that name a line, which :mod:`json` forgets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]
"""From the document inwards: names of members and positions in lists, which count from 0."""

_TOKEN: Final = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')


@dataclass(frozen=True, slots=True)
class Places:
    """``lines`` of members (that of the name) and of elements, from 1; the paths of members that occur twice."""

    lines: Mapping[Path, int]
    repeated: tuple[Path, ...]

    def line(self, path: Path) -> int:
        """The line of the member at ``path``, or of the nearest one around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(slots=True)
class _Container:
    path: Path
    name: str | int | None = None  # of the member at hand, once it is known
    is_list: bool = False


def places_of(text: str) -> Places:
    """The places in ``text``, which is valid JSON: :func:`json.loads` took it. One pass, without recursion."""
    lines: dict[Path, int] = {(): 1}
    repeated: list[Path] = []
    around: list[_Container] = []
    expects_name, at, line = False, 0, 1
    while (match := _TOKEN.match(text, at)) is not None:
        line += text.count("\n", at, match.start(1))
        at, token = match.end(), match[1]
        inner = around[-1] if around else None
        if token in "}]":
            around.pop()
            expects_name = False
        elif token == ",":
            expects_name = inner is not None and not inner.is_list
            if inner is not None and isinstance(inner.name, int):
                inner.name += 1
        elif expects_name and inner is not None:
            inner.name = json.loads(token)
            path = (*inner.path, inner.name)
            if path in lines:
                repeated.append(path)
            lines[path] = line
            expects_name = False
        elif token != ":":
            path = () if inner is None or inner.name is None else (*inner.path, inner.name)
            if inner is not None and inner.is_list:
                lines[path] = line
            if token in "{[":
                around.append(_Container(path, 0 if token == "[" else None, token == "["))
                expects_name = token == "{"
    return Places(lines, tuple(repeated))
