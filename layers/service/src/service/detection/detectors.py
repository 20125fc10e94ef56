"""All detectors of this stack: one line each."""

from __future__ import annotations

from typing import Final

from service.detection.detector import PopulationDetector, TallyDetector

POPULATION_DETECTORS: Final[tuple[PopulationDetector, ...]] = ()
"""Shown the sightings of each delivery of log lines."""

TALLY_DETECTORS: Final[tuple[TallyDetector, ...]] = ()
"""Shown each app's tallies, once a minute."""
