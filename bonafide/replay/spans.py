"""Spans of time as people write them."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN: Final = re.compile(r"([0-9]{1,5})([mhdw])\Z", re.ASCII)


def seconds_of(text: str) -> int | None:
    """Seconds of ``30m``, ``12h``, ``7d`` or ``2w``; ``None`` for anything else, and for none at all."""
    match = _SPAN.match(text.strip().lower())
    return int(match[1]) * _UNITS[match[2]] or None if match else None
