"""The schema of events, as receivers are given it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

SCHEMA: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "docs/incident-event.schema.json").read_text("utf-8")
)
