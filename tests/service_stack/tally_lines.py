"""Tally lines as processes write them, and deliveries of them as CloudWatch Logs makes them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bonafide_tokens.counting.key_sketch import KeySketch
from service.tallies.rows import Cell

AT = 1_764_250_000
"""The first second of a bucket."""
PROCESS = "00112233445566ff"
ORDERS = Cell("accepted", "", ("orders GET /orders", "verified", "ios", "9F2C"))
EXPIRED = Cell("refused", "token-expired", ("orders GET /orders", "expired", "ios", "9F2C"))


def sketch_of(keys: Iterable[str]) -> str:
    sketch = KeySketch()
    for key in keys:
        sketch.add(key)
    return sketch.to_text()


def counts(
    cells: Mapping[Cell, int],
    *,
    at: int = AT,
    app: str = "demo",
    other: Mapping[str, int] | None = None,
    keys: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:
    """One member of a line's ``counts``."""
    made: dict[str, Any] = {"at": at, "app": app, "cells": [[*cell, times] for cell, times in cells.items()]}
    if other:
        made["other"] = dict(other)
    if keys:
        made["keys"] = {outcome: sketch_of(names) for outcome, names in keys.items()}
    return made


def tally_line(
    *entries: Mapping[str, Any], source: str = "authorize", process: str = PROCESS, number: int = 1, **members: Any
) -> str:
    """A line of a process."""
    line = {"level": "INFO", "message": "tally", "v": 1, "id": f"{process}-{number}", "source": source}
    return json.dumps({**line, **members, "counts": list(entries)}, separators=(",", ":"))


def delivery(lines: Sequence[object], kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    """The event of a subscription."""
    events = [{"id": f"{number:056d}", "timestamp": AT * 1000, "message": line} for number, line in enumerate(lines)]
    envelope = {
        "messageType": kind,
        "owner": "123456789012",
        "logGroup": "guard",
        "logStream": "2025/11/27/[1]00112233445566778899aabbccddeeff",
        "subscriptionFilters": ["tallies"],
        "logEvents": events,
    }
    return event_of(json.dumps(envelope).encode())


def event_of(payload: bytes) -> dict[str, Any]:
    """An event whose payload unpacks to ``payload``."""
    return {"awslogs": {"data": base64.b64encode(gzip.compress(payload, mtime=0)).decode("ascii")}}
