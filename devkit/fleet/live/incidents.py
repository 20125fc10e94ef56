"""What the stack says of a scenario: incidents, as its Admin API lists them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from bonafide.operator.admin_api import AdminCalls

_PAUSE: Final = 1.0


def open_incidents(admin: AdminCalls, app: str) -> list[Mapping[str, Any]]:
    """The open incidents of an app. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    incidents: list[Mapping[str, Any]] = admin.call("GET", f"/admin/apps/{app}/incidents?state=open")["incidents"]
    return incidents


def wait_for_incident(
    admin: AdminCalls,
    app: str,
    detectors: Collection[str],
    *,
    since: float,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> Mapping[str, Any] | None:
    """The first open incident of one of ``detectors`` that rests on a decision at ``since`` (Unix seconds) or later;
    ``None`` where none came within ``seconds``."""
    until = clock() + seconds
    while True:
        found = [
            each for each in open_incidents(admin, app) if each["detector"] in detectors and each["last"] >= since - 1
        ]
        if found:
            return min(found, key=lambda each: float(each["opened_at"]))
        if clock() >= until:
            return None
        sleep(_PAUSE)
