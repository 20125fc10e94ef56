"""What an operator sees of detection itself: lines without data, and counts that alarms look at.

Nothing here may fail a delivery. An exception's text may quote a decision: types and places alone are logged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from service.errors import Unavailable
from service.telemetry.decisions import count, logger, places


def log_detector_failed(detector: str, error: Exception) -> None:
    """Say that a detector raised, by its name, and count it (``DetectorFailed``). All others go on."""
    logger().error("detector failed", detector=detector, error_type=type(error).__qualname__, at=places(error))
    count("DetectorFailed")


def log_not_told(sink: str, error: Exception) -> None:
    """Say that incidents could not be told by one way, and count it (``IncidentNotTold``). They are tried again."""
    told = {"what": error.what} if isinstance(error, Unavailable) else {"at": places(error)}
    logger().warning("incidents not told", sink=sink, error_type=type(error).__qualname__, **told)
    count("IncidentNotTold")


def log_left_out(detectors: Iterable[str]) -> None:
    """Say of which detectors findings were not kept, because so many of their incidents are open, and count them
    (``IncidentLeftOut``)."""
    left_out = Counter(detectors)
    if left_out:
        logger().warning("findings not kept", detectors=dict(left_out))
        count("IncidentLeftOut", left_out.total())


def log_unread(reasons: Mapping[str, int]) -> None:
    """Say how many decision lines detectors see without their facts, or not at all, by a closed list of reasons, and
    count them (``SightingUnread``)."""
    if reasons:
        logger().warning("decisions not read whole", reasons=dict(reasons))
        count("SightingUnread", sum(reasons.values()))
