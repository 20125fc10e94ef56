"""Use cases of the Admin API: the incidents of an app. Those that concern all apps are shown with each app's, as ``-``
in their member ``app``, and are closed there alone."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from service.admin.keys import require_app
from service.admin.problems import UNKNOWN_INCIDENT, AdminRefusal, refused_as
from service.admin.stack import entry_of
from service.detection.finding import ALL_APPS
from service.edge.gateway import RequestModel
from service.incidents.incident import HELD, MAX_CLOSED_BECAUSE, Incident
from service.incidents.reader import CURSOR, MAX_PAGE, cursor_of
from service.tables.apps import APP_PATTERN
from service.tables.audit import app_subject
from service.view.stack import ViewCall

_LATEST: Final = 1 << 36
_App = Annotated[str, Field(pattern=rf"{APP_PATTERN}|^-$")]
"""A registered app's name, or ``-`` for what concerns all apps."""
_Time = Annotated[int, Field(ge=1, le=_LATEST, strict=False)]


class IncidentsQuery(RequestModel):
    """GET /admin/apps/{app}/incidents. Times are Unix seconds, of the incidents' opening; ``before`` is the ``next`` of
    the page before."""

    app: _App
    state: Literal["open", "all"] = "open"
    since: _Time | None = None
    until: _Time | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=False)] = 50
    before: Annotated[str, Field(pattern=CURSOR)] = ""


class OneIncident(RequestModel):
    """GET /admin/apps/{app}/incidents/{id}."""

    app: _App
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,60}$")]


class CloseIncident(OneIncident):
    """POST /admin/apps/{app}/incidents/{id}/close."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_CLOSED_BECAUSE)]


def list_incidents(request: IncidentsQuery, call: ViewCall) -> dict[str, object]:
    """The incidents of an app, and those of all apps, the newest first."""
    _require(request.app, call)
    reader = call.stack.incidents.reader
    found: list[Incident] = []
    for app in dict.fromkeys((request.app, ALL_APPS)):
        if request.state == "open":
            found += [one for one in reader.open_of(app) if _is_asked_for(one, request)]
        else:
            found += reader.page(
                app, since=request.since, until=request.until, before=request.before, limit=request.limit + 1
            )
    found.sort(key=cursor_of, reverse=True)
    page = found[: request.limit]
    return {
        "app": request.app,
        "incidents": [incident.to_record() for incident in page],
        "next": cursor_of(page[-1]) if len(found) > len(page) else None,
    }


def show_incident(request: OneIncident, call: ViewCall) -> dict[str, object]:
    """One incident: the newest of its id."""
    _require(request.app, call)
    reader = call.stack.incidents.reader
    for app in dict.fromkeys((request.app, ALL_APPS)):
        found = reader.of_id(app, request.id)
        if found is not None:
            return found.to_record()
    raise AdminRefusal(UNKNOWN_INCIDENT, f"There is no incident {request.id} of {request.app}.")


def close_incident(request: CloseIncident, call: ViewCall) -> dict[str, object]:
    """Close an incident, with a reason. The same finding opens none again for a day, unless it grows tenfold:
    ``reopens_at`` says until when."""
    _require(request.app, call)
    entry = entry_of(call, app_subject(request.app), "close-incident", request.reason, {"incident": request.id})
    with refused_as(UNKNOWN_INCIDENT):
        incident = call.stack.incidents.close(
            request.app, request.id, by=call.who, reason=request.reason, now=call.now, entry=entry
        )
    return {**incident.to_record(), "reopens_at": call.now + HELD}


def _require(app: str, call: ViewCall) -> None:
    if app != ALL_APPS:
        require_app(call.stack.apps, app)


def _is_asked_for(incident: Incident, request: IncidentsQuery) -> bool:
    since, until = request.since or 0, request.until or _LATEST
    return since <= incident.opened_at < until and (not request.before or cursor_of(incident) < request.before)
