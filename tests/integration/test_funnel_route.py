"""GET /admin/apps/{app}/view/funnel through the Admin API: the whole answer, 304, and questions that are refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import moto_world
from tests.unit.service.tallies_in_memory import TalliesInMemory
from tests.unit.view.documented import check_documented
from tests.unit.view.tally_rows import FRESH, row

FUNNEL = "/admin/apps/demo/view/funnel"
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x00"
AT = FRESH // 60 * 60 - 60
ROWS = (
    row("challenge", AT, {("issued", ""): 120, ("returned", ""): 20}, step=60),
    row("beacon", AT, {("reported", "key-lost", "ios", "9", "iOS 27.0", HOSTILE): 7}, step=60),
    row("enrol", AT, {("accepted", "", "ios", "9"): 80, ("refused", "rule:x", "android", "41"): 10}, step=60),
    row("challenge", FRESH - 2 * 86_400, {("issued", ""): 9_999}, step=60),
)


@pytest.fixture
def admin() -> Iterator[AdminWorld]:
    with moto_world() as world:
        world.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
        made = admin_world(world, tallies=TalliesInMemory(*ROWS))
        made.clock = lambda: FRESH + 3.5
        yield made


def test_funnel_is_as_documented_and_of_its_window(admin: AdminWorld) -> None:
    """The last 15 minutes, in buckets of a minute, losses told apart by platform."""
    answer = admin.call("GET", FUNNEL)
    check_documented("ViewFunnel", answer)
    assert (answer["step"], answer["until"] - answer["since"], answer["by"]) == (60, 900, ["platform"])
    assert {step["step"]: step["count"] for step in answer["steps"]} == {
        "challenge": 100,
        "evidence": 90,
        "verified": 90,
        "accepted": 80,
        "used": 0,
        "renewed": 0,
    }
    assert answer["unexplained"] == {"count": 3, "share": 0.03}
    assert [(loss["cause"], loss["count"], loss["facts"]) for loss in answer["losses"]] == [
        ("rule:x", 10, {"platform": "android"}),
        ("key-lost", 7, {"platform": "ios"}),
        ("unexplained", 3, {}),
    ]


def test_losses_are_told_apart_by_what_is_asked_and_texts_pass_through(admin: AdminWorld) -> None:
    (reported,) = [one for one in admin.call("GET", f"{FUNNEL}?by=model,os")["losses"] if one["cause"] == "key-lost"]
    assert reported["facts"] == {"model": HOSTILE, "os": "iOS 27.0"}
    short = admin.call("GET", f"{FUNNEL}?limit=1")
    assert (len(short["losses"]), short["not_shown"]) == (1, {"rows": 2, "count": 10})


def test_filter_leaves_what_it_cannot_know(admin: AdminWorld) -> None:
    answer = admin.call("GET", f"{FUNNEL}?platform=android")
    check_documented("ViewFunnel", answer)
    assert {step["step"]: step["count"] for step in answer["steps"]} == {
        **dict.fromkeys(("challenge", "used", "renewed")),
        "evidence": 10,
        "verified": 10,
        "accepted": 0,
    }
    assert answer["unexplained"] is None


BAD = [
    "by=country",
    "by=model,model",
    "by=model,",
    "limit=0",
    "limit=501",
    "step=7",
    "source=enrol",
    "why=x",
    "since=x",
]


@pytest.mark.parametrize("query", BAD)
def test_question_that_is_none_is_refused_in_a_sentence(admin: AdminWorld, query: str) -> None:
    status, problem = admin.answer("GET", f"{FUNNEL}?{query}")
    assert (status, problem["type"]) == (400, "/problems/malformed-request")
    assert problem["messages"][0]["at"] == query.partition("=")[0]


def test_unknown_app_has_no_funnel(admin: AdminWorld) -> None:
    """Not an empty one, which would look like an app without devices."""
    status, problem = admin.answer("GET", FUNNEL.replace("demo", "shop"))
    assert (status, problem["type"]) == (404, "/problems/unknown-app")
