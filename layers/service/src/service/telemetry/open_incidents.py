"""How many incidents are open, as metrics: what the alarms of detectors look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from service.telemetry.decisions import count

DETECTORS: Final = frozenset(
    {
        "key-farm",
        "leaked-keybox",
        "attestation-broker",
        "clone-storm",
        "replay-storm",
        "failing-build",
        "spike",
        "vendor-trouble",
        "apple-fraud-metric",
    }
)
"""Those that have a metric and an alarm each; others share ``IncidentOther``."""


def count_open(detectors: Iterable[str]) -> None:
    """Write ``IncidentKeyFarm`` and so on, once for each detector of open incidents, with how many there are. Of a
    detector without any, nothing is written: an alarm takes that for none, and it costs nothing."""
    for detector, times in Counter(one if one in DETECTORS else "other" for one in detectors).items():
        count("Incident" + "".join(word.capitalize() for word in detector.split("-")), times)
