"""Support codes as persons pass them on, and the decision lines that carry one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 50
"""Most decisions that are told of one code: a verifier's stays the same all day for one key and reason."""

_CODE: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}\Z")
_ALIKE: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})
_LONGEST_LINE: Final = 262_144


@dataclass(frozen=True, slots=True)
class Told:
    """One decision as it was logged. ``at`` is Unix seconds, ``None`` where it was not noted; ``where`` is the log."""

    at: float | None
    where: str
    line: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A member as text; empty where it is absent."""
        value = self.line.get(name)
        return "" if value is None or isinstance(value, dict | list) else str(value)

    @property
    def rules(self) -> tuple[str, ...]:
        """The policy's findings, those that were only observed marked so."""
        findings = self.line.get("findings")
        return tuple(str(rule) for rule in findings) if isinstance(findings, list) else ()

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return {"at": self.at, "log": self.where, "decision": dict(self.line)}


def plain_code(text: str) -> str | None:
    """A support code as a person passes it on: in any case, with I, L and O for the digits that they look like, and
    with spaces or dashes. ``None`` for what is no code."""
    code = text.upper().translate(_ALIKE)
    return code if _CODE.match(code) else None


def decision_of(text: str, code: str, *, where: str, otherwise: float | None) -> Told | None:
    """The decision of a log line, if it is one under ``code``. ``otherwise`` is its time where the line has none."""
    if code not in text or len(text) > _LONGEST_LINE:
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or line.get("support_code") != code or "message" not in line:
        return None
    at = line.get("at")
    return Told(float(at) if isinstance(at, int | float) and 0 < at < 1 << 40 else otherwise, where, line)


def newest(found: Iterable[Told]) -> list[Told]:
    """The newest first, :data:`MOST` of them."""
    return sorted(found, key=lambda told: told.at or 0.0, reverse=True)[:MOST]
