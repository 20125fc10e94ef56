"""Incidents through the Admin API: listed, shown and closed, in the view and on the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from service.detection.finding import incident_id
from service.incidents.incident import HELD

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.service_stack.admin_calls import ACCOUNT, AdminWorld, admin_world
from tests.service_stack.incident_worlds import FINDING, NOW, finding
from tests.service_stack.worlds import moto_world
from tests.unit.view.documented import check_documented

ID = incident_id(FINDING)
PATH = "/admin/apps/demo/incidents"
TROUBLE = finding(app="", detector="vendor-trouble", scope="population", keys=(), title="Google fails everywhere.")


@pytest.fixture(scope="module")
def admin() -> Iterator[AdminWorld]:
    """One incident of the app, one of all apps, and one that ended; none of another app."""
    with moto_world() as world:
        for app in ("demo", "other"):
            world.register(Registration(app=app, apple_app_ids=(DEMO_APPLE_APP_ID,)))
        made = admin_world(world)
        made.clock = lambda: NOW + 7_200
        incidents = made.stack.incidents
        incidents.raise_all([finding(subject="over")], NOW - 1)
        incidents.end_quiet(incidents.reader.open_of("demo"), NOW + 3_600)
        incidents.raise_all([finding(quiet_after=86_400.0)], NOW)
        incidents.raise_all([TROUBLE], NOW + 60)
        yield made


def ids(answer: dict[str, Any]) -> list[str]:
    return [incident["id"] for incident in answer["incidents"]]


def refusal(admin: AdminWorld, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, str]:
    with pytest.raises(AdminProblem) as caught:
        admin.call(method, path, body)
    return caught.value.status, caught.value.slug


def test_open_ones_are_listed_with_those_of_all_apps(admin: AdminWorld) -> None:
    answer = admin.call("GET", PATH)

    check_documented("Incidents", answer)
    for incident in answer["incidents"]:
        check_documented("Incident", incident)
    assert ids(answer) == [incident_id(TROUBLE), ID]
    assert ids(admin.call("GET", "/admin/apps/other/incidents")) == [incident_id(TROUBLE)]
    assert ids(admin.call("GET", "/admin/apps/-/incidents")) == [incident_id(TROUBLE)]
    assert ids(admin.call("GET", f"{PATH}?since={int(NOW) + 1}")) == [incident_id(TROUBLE)]
    assert ids(admin.call("GET", f"{PATH}?until={int(NOW) + 1}")) == [ID]


def test_all_of_a_window_come_in_pages(admin: AdminWorld) -> None:
    pages, before = [], ""
    while True:
        more = f"&before={before.replace('#', '%23')}" if before else ""
        answer = admin.call("GET", f"{PATH}?state=all&limit=1{more}")
        pages.append(ids(answer))
        if answer["next"] is None:
            break
        before = answer["next"]

    assert pages == [[incident_id(TROUBLE)], [ID], [incident_id(finding(subject="over"))]]


def test_one_is_shown_also_after_its_end(admin: AdminWorld) -> None:
    over = admin.call("GET", f"{PATH}/{incident_id(finding(subject='over'))}")

    assert (over["state"], over["ended_at"], over["keys"]) == ("ended", NOW + 3_600, ["k1", "k2"])
    assert admin.call("GET", f"{PATH}/{incident_id(TROUBLE)}")["app"] == "-"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/admin/apps/nobodys/incidents", (404, "unknown-app")),
        ("GET", f"{PATH}/key-farm-00", (404, "unknown-incident")),
        ("GET", f"/admin/apps/other/incidents/{ID}", (404, "unknown-incident")),
        ("GET", f"{PATH}/..", (400, "malformed-request")),
        ("GET", f"{PATH}?state=half", (400, "malformed-request")),
        ("GET", f"{PATH}?since=0", (400, "malformed-request")),
        ("GET", f"{PATH}?limit=101", (400, "malformed-request")),
        ("GET", f"{PATH}?before=1", (400, "malformed-request")),
        ("GET", f"{PATH}?whatever=1", (400, "malformed-request")),
        ("POST", f"{PATH}/key-farm-00/close", (404, "unknown-incident")),
        ("POST", f"{PATH}/{incident_id(TROUBLE)}/close", (404, "unknown-incident")),
        ("POST", f"{PATH}/{incident_id(finding(subject='over'))}/close", (422, "change-refused")),
    ],
)
def test_what_is_not_there_or_not_asked_rightly(
    admin: AdminWorld, method: str, path: str, expected: tuple[int, str]
) -> None:
    body: dict[str, object] | None = {"reason": "x"} if method == "POST" else None

    assert refusal(admin, method, path, body) == expected


def test_closing_needs_a_reason(admin: AdminWorld) -> None:
    bodies: list[dict[str, object]] = [{}, {"reason": ""}, {"reason": "x" * 401}, {"reason": "x", "by": "eve"}]
    for body in bodies:
        assert refusal(admin, "POST", f"{PATH}/{ID}/close", body) == (400, "malformed-request")


def test_view_names_the_newest_that_is_open(admin: AdminWorld) -> None:
    view = admin.call("GET", "/admin/apps/demo/view")

    check_documented("ThreatView", view)
    assert view["incident"] == {
        "id": incident_id(TROUBLE),
        "title": "Google fails everywhere.",
        "at": NOW + 60,
        "detector": "vendor-trouble",
    }


def test_timeline_has_openings_ends_and_closings(admin: AdminWorld) -> None:
    closed = admin.call("POST", f"{PATH}/{ID}/close", {"reason": "our own test"})
    assert (closed["state"], closed["reopens_at"]) == ("closed", NOW + 7_200 + HELD)
    assert closed["closed"] == {"by": f"{ACCOUNT}ann", "reason": "our own test", "at": NOW + 7_200}
    assert refusal(admin, "POST", f"{PATH}/{ID}/close", {"reason": "again"}) == (422, "change-refused")

    timeline = admin.call("GET", f"/admin/apps/demo/timeline?since={int(NOW) - 100}")

    check_documented("Timeline", timeline)
    told = [(entry["at"] - NOW, entry["title"]) for entry in timeline["entries"] if entry["kind"] == "incident"]
    assert told == [
        (7_200, f"Incident closed: {ID}"),
        (3_600, "Incident ended by itself: One device serves 41 installs."),
        (60, "Incident opened: Google fails everywhere."),
        (0, "Incident opened: One device serves 41 installs."),
        (-1, "Incident opened: One device serves 41 installs."),
    ]
    page = admin.call("GET", f"/admin/apps/demo/timeline?since={int(NOW) - 100}&limit=2")
    rest = admin.call("GET", f"/admin/apps/demo/timeline?since={int(NOW) - 100}&before={page['before']}")
    assert [*page["entries"], *rest["entries"]] == timeline["entries"]
