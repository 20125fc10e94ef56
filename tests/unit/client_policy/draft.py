"""A sound ``client.json`` that says something about everything, and ways to change one thing of it."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.unit.gate.stand import NOW

PINS = ["A" * 43 + "=", "B" * 42 + "A=", "C" * 42 + "E="]
SOUND: dict[str, Any] = {
    "format": 1,
    "refresh_seconds": 900,
    "stale": {"mode": "must-be-current", "after_seconds": 7200},
    "detectors": {
        "hooking": {"enabled": True, "reaction": "block"},
        "memory-dump": {"reaction": "warn"},
        "emulator": {"enabled": False},
    },
    "pins": [
        {"host": "api.example.com", "spki_sha256": PINS[:2], "expires": "2029-01-01"},
        {"host": "cdn.example.com", "include_subdomains": True, "spki_sha256": PINS, "expires": "2029-01-01T12:00:00Z"},
    ],
    "minimum_builds": {"ios": "3.14.1", "android": "4200", "harmony": "12"},
    "kill_switches": {"payments": True, "transfers": False},
    "regions": {"eu": "https://eu.example.com/prod", "us-2": "https://us.example.com:8443"},
}
"""Its second pin set stands on the lines after the first's; :data:`NOW` is in January 2027."""

assert NOW == 1_800_000_000


def changed(*path: str | int, to: object) -> str:
    """The sound draft, as text, with the value at ``path`` replaced; ``...`` takes the member out."""
    document = copy.deepcopy(SOUND)
    inner: Any = document
    for part in path[:-1]:
        inner = inner[part]
    if to is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return text_of(document)


def text_of(document: object) -> str:
    """As an editor writes it: two spaces, one member a line."""
    return json.dumps(document, indent=2)
