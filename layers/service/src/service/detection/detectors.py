"""All detectors of this stack: one line each."""

from __future__ import annotations

from typing import Final

from service.detection.detector import PopulationDetector, TallyDetector
from service.detection.population.clone_storm import CloneStorm
from service.detection.population.key_farm import KeyFarm
from service.detection.population.leaked_keybox import LeakedKeybox
from service.detection.population.replay_storm import ReplayStorm

POPULATION_DETECTORS: Final[tuple[PopulationDetector, ...]] = (
    KeyFarm(),
    LeakedKeybox(),
    CloneStorm(),
    ReplayStorm(),
)
"""Shown the sightings of each delivery of log lines."""

TALLY_DETECTORS: Final[tuple[TallyDetector, ...]] = ()
"""Shown each app's tallies, once a minute."""
