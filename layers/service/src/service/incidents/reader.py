"""Reads incidents: one by its id, those that are open, and those of a window of time. Queries of one app, never a
scan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, get_row, query_rows
from service.errors import Unreadable
from service.incidents.incident import Incident
from service.incidents.rows import OPEN, PAST, incident_of, last_place, milliseconds, open_place, past_from
from service.incidents.sealing import MemberSeal
from service.items.batch_read import Place, read_rows

MAX_PAGE: Final = 100
CURSOR: Final = r"^[0-9]{14}#[a-z0-9-]{1,80}$"
"""What a page ends with, and the next one begins before."""
CALLED: Final = "incidents"
_LAST_TIME: Final = 10**14 - 1
_CURSOR: Final = re.compile(CURSOR, re.ASCII)


@dataclass(frozen=True, slots=True)
class IncidentsReader:
    """The table as readers see it. ``app`` may be :data:`~service.detection.finding.ALL_APPS`. Everything raises
    :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str
    seal: MemberSeal

    def of_id(self, app: str, name: str) -> Incident | None:
        """The newest incident of an id."""
        places = [Place(self.table, {"app": app, "place": place}) for place in (open_place(name), last_place(name))]
        row, last = read_rows(self.client, places)
        if row is None and last is not None:
            row = get_row(self.client, self.table, {"app": app, "place": last["past"]}, called=CALLED)
        return None if row is None else incident_of(row, self.seal)

    def open_of(self, app: str) -> list[Incident]:
        """The open incidents of an app, the newest first."""
        rows = self._query(app, "begins_with(place, :first)", {":first": OPEN})
        return sorted(self._readable(rows), key=cursor_of, reverse=True)

    def page(
        self, app: str, *, since: float | None = None, until: float | None = None, before: str = "", limit: int = 50
    ) -> list[Incident]:
        """The incidents, open or over, that were opened from ``since`` to before ``until``, the newest first, at most
        ``limit``; after the page that ended with the cursor ``before``."""
        limit = max(1, min(limit, MAX_PAGE))
        first = milliseconds(since or 0.0)
        end = _LAST_TIME if until is None else min(_LAST_TIME, milliseconds(until))
        last = f"{end:014d}"
        if before:
            if _CURSOR.fullmatch(before) is None:
                return []
            last = min(last, before)
        if f"{first:014d}" > last:
            return []
        values = {":first": past_from(first / 1000), ":last": f"{PAST}{last}"}
        more: dict[str, Any] = {
            "ScanIndexForward": False,
            "PaginationConfig": {"MaxItems": limit + 1, "PageSize": limit + 1},
        }
        rows = self._query(app, "place BETWEEN :first AND :last", values, **more)
        found = [*self._readable(rows), *self.open_of(app)]
        return sorted((one for one in found if f"{first:014d}" <= cursor_of(one) < last), key=cursor_of, reverse=True)[
            :limit
        ]

    def _readable(self, rows: list[dict[str, Any]]) -> list[Incident]:
        found = []
        for row in rows:
            try:
                found.append(incident_of(row, self.seal))
            except Unreadable:
                continue
        return found

    def _query(self, app: str, condition: str, values: Mapping[str, object], **more: Any) -> list[dict[str, Any]]:
        return query_rows(
            self.client, self.table, f"app = :app AND {condition}", {":app": app, **values}, called=CALLED, **more
        )


def cursor_of(incident: Incident) -> str:
    """Where an incident stands among others, by time."""
    return f"{milliseconds(incident.opened_at):014d}#{incident.id}"
