"""Findings for a SIEM, by the schema as a package has it."""

from __future__ import annotations

import pytest
from py_ocsf_models import OCSF_VERSION as PACKAGES_VERSION
from py_ocsf_models.events.findings.detection_finding import DetectionFinding
from pydantic import TypeAdapter, ValidationError
from service.telling.incident_event import Change, event_of
from service.telling.ocsf import OCSF_VERSION, finding_of, place_of

from tests.service_stack.told_incidents import AT, KEY, incident

SCHEMA = TypeAdapter(DetectionFinding)


@pytest.mark.parametrize("change", Change)
@pytest.mark.parametrize("app", ["demo", ""])
@pytest.mark.parametrize("share", [0.5, None])
@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_finding_is_one_of_the_schema(change: Change, app: str, share: float | None, confidence: float) -> None:
    """Every member is known to the class, with its type; none is lost in a reader that knows the schema."""
    event = event_of(
        change, incident(app=app, own_signer_share=share, confidence=confidence), stack="prod", at=AT + 5, name="x"
    )
    finding = finding_of(event)
    read = SCHEMA.validate_python(finding)
    assert OCSF_VERSION == PACKAGES_VERSION
    known = read.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
    for name, value in finding.items():
        assert known[name] == value or name in ("finding_info", "metadata", "unmapped"), name
    assert {name: known["finding_info"][name] for name in finding["finding_info"]} == finding["finding_info"]
    assert finding["type_uid"] == finding["class_uid"] * 100 + finding["activity_id"]
    assert KEY not in event.text


def test_the_schema_is_a_judge() -> None:
    """A test that cannot fail is none: members of other types are refused."""
    finding = finding_of(event_of(Change.OPENED, incident(), stack="prod", at=AT, name="one"))
    for name, value in {"severity_id": 7, "activity_id": 8, "time": "now", "type_uid": 1, "finding_info": {}}.items():
        with pytest.raises(ValidationError):
            SCHEMA.validate_python({**finding, name: value})


def test_changes_of_one_incident_are_one_finding() -> None:
    """A SIEM joins them by ``finding_info.uid``; the object's name is that of the event, told once or twice."""
    opened = event_of(Change.OPENED, incident(), stack="prod", at=AT, name="one")
    ended = event_of(Change.ENDED, incident(state="ended", ended_at=AT + 60), stack="prod", at=AT + 60, name="two")
    assert finding_of(opened)["finding_info"]["uid"] == finding_of(ended)["finding_info"]["uid"]
    assert (finding_of(opened)["status"], finding_of(ended)["status"]) == ("New", "Resolved")
    assert place_of(opened) != place_of(ended)
    assert place_of(opened) == f"findings/2026/11/27/{opened.id}.json"
