"""Use cases of the Admin API: for how long an app's tokens are to be stretched (:mod:`service.admission.strain`)."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from service.admin.problems import UNKNOWN_APP, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.tables.audit import app_subject

LONGEST: Final = 86_400
"""Seconds for which stress can be declared: a day, then an operator has to look again."""


class StressOfApp(RequestModel):
    """GET /admin/apps/{app}/stress."""

    app: App


class DeclareStress(RequestModel):
    """POST /admin/apps/{app}/stress. ``seconds`` from now on; 0 ends it."""

    app: App
    seconds: Annotated[int, Field(ge=0, le=LONGEST)]
    why: Annotated[str, Field(max_length=1000)] = ""


def show_stress(request: StressOfApp, call: StackCall) -> dict[str, object]:
    """Until when an app is declared to be under stress."""
    with refused_as(UNKNOWN_APP):
        return _answer(request.app, call.stack.stressed_apps.until(request.app), call.now)


def declare_stress(request: DeclareStress, call: StackCall) -> dict[str, object]:
    """Let tokens of an app live longer, and be renewed later, for a time; or end that."""
    until = int(call.now) + request.seconds if request.seconds else 0
    action = "declare-stress" if request.seconds else "end-stress"
    entry = entry_of(call, app_subject(request.app), action, request.why, {"seconds": request.seconds})
    with shown_in_doubt(f"bonafide token stretch {request.app}"), refused_as(UNKNOWN_APP):
        call.stack.stressed_apps.declare(request.app, until, entry)
    return _answer(request.app, until, call.now)


def _answer(app: str, until: int, now: float) -> dict[str, object]:
    return {"app": app, "stressed_until": until if until > now else 0}
