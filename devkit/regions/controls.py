"""What a person changes of replication while it runs: a small file that the replicating process reads repeatedly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.layout import Layout, LocalStackError
from devkit.regions.replicator import Replicator

LONGEST_DELAY: Final = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Controls:
    """How replication is to be: `delay` in seconds, and whether the regions are apart."""

    delay: float = 1.0
    cut: bool = False

    def set_on(self, replicator: Replicator) -> None:
        """Make it so."""
        replicator.delay = self.delay
        if self.cut:
            replicator.cut()
        else:
            replicator.join()


def controls_file(layout: Layout) -> Path:
    """Where they are: beside the folders of the named stacks, as all regions share them."""
    return layout.root / ".local" / "replication.json"


def read_controls(file: Path) -> Controls:
    """What the file says.

    Raises:
        LocalStackError: when no regions run.
    """
    try:
        found: Mapping[str, Any] = json.loads(file.read_bytes())
        return Controls(delay=float(found["delay"]), cut=bool(found["cut"]))
    except FileNotFoundError:
        raise LocalStackError("No regions run here: start some with `bonafide local up --regions eu,us`.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LocalStackError(f"{file} is damaged: start the regions again.") from error


def write_controls(file: Path, controls: Controls) -> None:
    """Write it in one piece: a reader never finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"delay": controls.delay, "cut": controls.cut}) + "\n", encoding="utf-8")
    part.replace(file)
