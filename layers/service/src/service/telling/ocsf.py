"""Incidents as a SIEM reads them: Detection Findings of the Open Cybersecurity Schema Framework, one object for each
change, all of one incident under one ``finding_info.uid``.

Made of the event, so nothing is in them that the event does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from service.telling.incident_event import Change, Severity, Told

OCSF_VERSION: Final = "1.5.0"
PREFIX: Final = "findings"
"""Where findings stand in the bucket of decisions."""

_CLASS: Final = 2004
_CATEGORY: Final = 2
_ACTIVITIES: Final = {
    Change.OPENED: (1, "Create"),
    Change.GREW: (2, "Update"),
    Change.ENDED: (3, "Close"),
    Change.CLOSED: (3, "Close"),
}
_STATUSES: Final = {
    Change.OPENED: (1, "New"),
    Change.GREW: (1, "New"),
    Change.ENDED: (4, "Resolved"),
    Change.CLOSED: (4, "Resolved"),
}
_SEVERITIES: Final = {
    Severity.INFO: (1, "Informational"),
    Severity.WARNING: (3, "Medium"),
    Severity.ERROR: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
_STATISTICAL: Final = 3  # type of analytic
_CONFIDENCES: Final = ((0.4, 1, "Low"), (0.8, 2, "Medium"), (1.1, 3, "High"))


def finding_of(told: Told) -> dict[str, Any]:
    """The Detection Finding (class 2004) of an incident's event."""
    document, change = told.document, Change(told.document["type"])
    data = document["data"]
    incident: Mapping[str, Any] = data["incident"]
    activity, status = _ACTIVITIES[change], _STATUSES[change]
    severity = _SEVERITIES[Severity(data["severity"])]
    confidence = next(row for row in _CONFIDENCES if incident["confidence"] < row[0])
    return {
        "activity_id": activity[0],
        "activity_name": activity[1],
        "category_uid": _CATEGORY,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Detection Finding",
        "type_uid": _CLASS * 100 + activity[0],
        "type_name": f"Detection Finding: {activity[1]}",
        "time": _milliseconds(document["timestamp"]),
        "start_time": _milliseconds(incident["since"]),
        "end_time": _milliseconds(incident["ended_at"] or incident["last"]),
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "confidence_id": confidence[1],
        "confidence": confidence[2],
        "confidence_score": round(100 * incident["confidence"]),
        "count": incident["counts"].get("decisions", 1),
        "message": data["summary"],
        "finding_info": {
            "uid": f"{data['stack']}/{incident['id']}/{incident['opened_at']}",
            "title": incident["title"],
            "desc": " ".join(incident["because"]),
            "types": [incident["detector"]],
            "analytic": {
                "name": incident["detector"],
                "uid": incident["detector"],
                "type_id": _STATISTICAL,
                "type": "Statistical",
            },
            "created_time": _milliseconds(incident["opened_at"]),
            "modified_time": _milliseconds(document["timestamp"]),
            "first_seen_time": _milliseconds(incident["since"]),
            "last_seen_time": _milliseconds(incident["last"]),
            "data_sources": ["bonafide decisions"],
        },
        "remediation": {"desc": incident["remedy"]["text"] or incident["look"]},
        "metadata": {
            "uid": told.id,
            "event_code": change.value,
            "version": OCSF_VERSION,
            "product": {"name": "Bonafide", "vendor_name": "Bonafide", "uid": data["stack"]},
        },
        # What has no place in the schema, as it was told: app, counts, builds, the share of the app's own signer.
        "unmapped": {name: incident[name] for name in ("app", "scope", "counts", "named", "own_signer_share")},
    }


def place_of(told: Told) -> str:
    """The key of its object: the same for the same event, so that telling it twice writes it once."""
    day = told.document["timestamp"][:10].replace("-", "/")
    return f"{PREFIX}/{day}/{told.id}.json"


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1_000)
