"""The newest open incident of an app, remembered: a console asks for it every two seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from service.detection.finding import ALL_APPS
from service.incidents.incident import Incident
from service.incidents.reader import IncidentsReader, cursor_of
from service.remembered import Remembered, RememberedByName

FRESH: Final = 5.0
FIRST: Final = 15.0
_MOST: Final = 128


@dataclass(slots=True)
class NewestIncidents:
    """The newest open incidents, of an app or of all apps. Safe to share between threads."""

    reader: IncidentsReader
    _known: RememberedByName[Incident | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._known = RememberedByName(make=self._remembered, most=_MOST)

    def of(self, app: str, now: float) -> Incident | None:
        """The newest one, of a moment ago. Raises :class:`~service.errors.Unavailable`."""
        return self._known.current(app, now)

    def _remembered(self, app: str) -> Remembered[Incident | None]:
        def read(_before: Incident | None, _now: float) -> Incident | None:
            found = [one for each in dict.fromkeys((app, ALL_APPS)) for one in self.reader.open_of(each)]
            return max(found, key=cursor_of, default=None)

        return Remembered(read=read, fresh=FRESH, first=FIRST)
