"""All detectors of this stack: one line each."""

from __future__ import annotations

from typing import Final

from service.detection.detector import PopulationDetector, TallyDetector
from service.detection.population.apple_fraud_metric import AppleFraudMetric
from service.detection.population.attestation_broker import AttestationBroker
from service.detection.population.clone_storm import CloneStorm
from service.detection.population.key_farm import KeyFarm
from service.detection.population.leaked_keybox import LeakedKeybox
from service.detection.population.replay_storm import ReplayStorm
from service.detection.rates.failing_build import FailingBuild
from service.detection.rates.refused_signers import RefusedSigners
from service.detection.rates.spike import Spike
from service.detection.rates.vendor_trouble import VendorTrouble

POPULATION_DETECTORS: Final[tuple[PopulationDetector, ...]] = (
    KeyFarm(),
    LeakedKeybox(),
    AttestationBroker(),
    CloneStorm(),
    ReplayStorm(),
    AppleFraudMetric(),
    RefusedSigners(),
)
"""Shown the sightings of each delivery of log lines."""

TALLY_DETECTORS: Final[tuple[TallyDetector, ...]] = (FailingBuild(), Spike(), VendorTrouble())
"""Shown each app's tallies, once a minute."""
