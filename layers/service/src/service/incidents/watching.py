"""Shows the decision lines of a delivery to the population detectors, and opens incidents for what they find."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.detection.detector import PopulationDetector
from service.detection.epochs import KeysOfEpochs
from service.detection.reading import sightings_of
from service.detection.sighting import Sighting
from service.detection.slots import Slots
from service.incidents.incident import Change, Happened, IncidentSink
from service.incidents.running import show
from service.incidents.table import IncidentsTable
from service.tallies.rows import UNKNOWN_APP
from service.telemetry.detection_lines import log_detector_failed, log_left_out, log_not_told, log_unread

OLDEST: Final = 86_400.0
"""Seconds after which a decision is shown to no detector any more: a delivery that waited a day tells of the past."""


def is_decision(message: object) -> bool:
    """Whether a log line is that of a decision. A tally may quote any text of an app's: only the member says so."""
    if not isinstance(message, str) or '"decision"' not in message:
        return False
    try:
        members = json.loads(message)
    except (ValueError, RecursionError):
        return False
    return isinstance(members, dict) and members.get("message") == "decision"


@dataclass(frozen=True, slots=True)
class Watching:
    """The detectors, where they keep their states, and where incidents are kept. ``keys`` gives the keys of the epochs
    at a time. ``at_once`` are told of incidents that policies look at, beside the minute's telling."""

    detectors: Sequence[PopulationDetector]
    slots: Slots
    incidents: IncidentsTable
    keys: Callable[[float], KeysOfEpochs]
    at_once: Sequence[IncidentSink] = ()

    def watch(self, lines: Sequence[str], *, app_of: Callable[[str], str], now: float) -> int:
        """Show the decisions on ``lines``; how many there were. Only those of registered apps, as ``app_of`` says, are
        shown. Raises :class:`~service.errors.Unavailable`, after all that can be done is done, where something is not:
        the same lines again do the rest, and nothing twice."""
        unread = Counter[str]()
        sightings = list(sightings_of(lines, self.keys(now), now, unread))
        log_unread(unread)
        shown = show(
            [each for each in sightings if _is_shown(each, app_of, now)],
            self.detectors,
            self.slots,
            now=now,
            failed=log_detector_failed,
        )
        raised = self.incidents.raise_all(shown.findings, now)
        log_left_out(raised.left_out)
        self._tell_at_once(raised.changes, now)
        for error in (*shown.unavailable, *raised.unavailable):
            raise error
        return len(sightings)

    def _tell_at_once(self, changes: Sequence[Change], now: float) -> None:
        """Best effort: whatever fails here is told within the minute."""
        those = tuple(
            change
            for change in changes
            if change.what is Happened.OPENED and change.incident.finding.scope != "population"
        )
        for sink in self.at_once if those else ():
            try:
                sink.take(those, now)
            except Exception as error:
                log_not_told(sink.name, error)


def _is_shown(sighting: Sighting, app_of: Callable[[str], str], now: float) -> bool:
    return sighting.at > now - OLDEST and app_of(sighting.app) != UNKNOWN_APP
