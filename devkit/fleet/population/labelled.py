"""A sighting with the truth about it, which no detector sees."""

from __future__ import annotations

from typing import NamedTuple

from service.detection.sighting import Sighting


class LabelledSighting(NamedTuple):
    """``hostile`` names the scenario's event that the sighting belongs to (``farm``, ``botched-release`` …); empty for
    what an ordinary day brings."""

    sighting: Sighting
    hostile: str = ""
