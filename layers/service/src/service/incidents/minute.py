"""What is done each minute: detectors look at tallies, incidents end, and changes are told.

Each part is done whatever becomes of the others, and says at the end what could not be done: a minute later all of it
is done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.deadline import reserving
from service.detection.detector import TallyDetector
from service.detection.finding import ALL_APPS
from service.detection.slots import Slots
from service.errors import Unavailable
from service.incidents.incident import IncidentSink
from service.incidents.outbox import Outbox
from service.incidents.running import look
from service.incidents.table import IncidentsTable
from service.incidents.windows import Windows
from service.tables.apps import AppNames
from service.telemetry.decisions import log_unavailable
from service.telemetry.detection_lines import log_detector_failed, log_left_out, log_not_told
from service.telemetry.open_incidents import count_open

MAX_APPS: Final = 512
"""Apps that are looked at in a minute: as many as the counting remembers."""
FOR_TELLING: Final = 25.0
"""Seconds of a run that stay for telling, however long the rest takes: a table that is throttled must silence no
incident that is open."""


@dataclass(frozen=True, slots=True)
class Minute:
    """The parts of the stack that a run works on. ``sinks`` are told of every change of an incident."""

    apps: AppNames
    windows: Windows
    detectors: Sequence[TallyDetector]
    slots: Slots
    incidents: IncidentsTable
    outbox: Outbox
    sinks: Sequence[IncidentSink] = ()

    def run(self, now: float) -> dict[str, int]:
        """Do all of it: how many findings, changes and told changes there were. Raises
        :class:`~service.errors.Unavailable` where something was left undone."""
        undone: list[Unavailable] = []
        with reserving(FOR_TELLING):
            found = self._find(now, undone)
        told = self.outbox.tell(self.sinks, now=now, failed=log_not_told)
        for left in undone:
            log_unavailable(left.what)
        if undone:
            raise undone[0]
        return {**found, "Told": told}

    def _find(self, now: float, undone: list[Unavailable]) -> dict[str, int]:
        """Have detectors look, and end what is over; ``undone`` is told what could not be done."""
        try:
            apps = self.apps.names()[:MAX_APPS]
        except Unavailable as error:
            undone.append(error)
            return {}
        windows = self.windows.of(apps, now) if self.detectors else {}
        shown = look(windows, self.detectors, self.slots, now=now, failed=log_detector_failed)
        raised = self.incidents.raise_all(shown.findings, now)
        log_left_out(raised.left_out)
        undone += [*shown.unavailable, *raised.unavailable]
        ended, open_ones = 0, list[str]()
        for app in (*apps, ALL_APPS):
            try:
                known = self.incidents.reader.open_of(app)
                open_ones += (one.finding.detector for one in known if one.ends_at > now)
                ended += len(self.incidents.end_quiet(known, now))
            except Unavailable as error:
                undone.append(error)
        count_open(open_ones)
        return {"Apps": len(apps), "Findings": len(shown.findings), "Changed": len(raised.changes), "Ended": ended}
