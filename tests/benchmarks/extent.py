"""How long benchmarks measure, and how their tables mark a budget that was missed.

Importing this makes the functions importable, as pytest's ``pythonpath`` does, so that each benchmark also runs alone.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SHORT: Final = bool(os.environ.get("BONAFIDE_BENCH_SHORT"))
"""``make bench SHORT=1``: everything runs, a fraction as often. Numbers then say little."""

for _folder in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"][
    "pythonpath"
]:
    if str(ROOT / _folder) not in sys.path:
        sys.path.insert(0, str(ROOT / _folder))


def budget(told: str, value: float, most: float) -> str:
    """A budget as a table tells it: ``≤ 50 µs``, and ``over`` behind it where the value is beyond ``most``."""
    return told if value <= most else f"{told}  over"
