"""The view through the Admin API: the whole answer, 304 while nothing changed, and questions that are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import administer
import pytest
from service.admin.http import admin_endpoint
from service.tallies.rows import BundleSeen, Why
from service.vendors.play_requests import Breaker, DynamoDBPlayRequests
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.integration.enrolled_keys import bundle, challenge, enrolled_key
from tests.service_stack.admin_calls import ACCOUNT, AdminWorld, admin_world
from tests.service_stack.events import rest_event
from tests.service_stack.worlds import AwsWorld, moto_world
from tests.unit.service.tallies_in_memory import TalliesInMemory
from tests.unit.view.documented import check_documented
from tests.unit.view.tally_rows import FRESH, keys_of, row

VIEW = "/admin/apps/demo/view"
CAUSES = "/admin/apps/demo/view/causes"
PACKAGE = "org.example.demo"
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x00"
ROWS = (
    row("enrol", FRESH - 800, {("accepted", "", "ios"): 90, ("refused", "challenge-expired", "ios"): 10}),
    row(
        "enrol",
        FRESH - 100,
        {("refused", "anchor-unknown", "android", "41", "14", HOSTILE, "DE"): 60, ("accepted", "", "ios"): 40},
        other={"refused": 5},
        other_by_why={Why("refused", "anchor-unknown"): 5},
        keys={"refused": keys_of("a", "b")},
    ),
    row("authorize", FRESH - 100, {("accepted", "", "orders GET /", "verified"): 900}, bundle=BundleSeen(6, 7, 2.5)),
    row("challenge", FRESH - 100, {("issued", ""): 120}),
    row("enrol", (FRESH - 1_200) // 60 * 60, {("accepted", "", "ios"): 100}, step=60),
    row("enrol", FRESH - 86_400, {("refused", "anchor-unknown", "android", "41"): 1}, step=3_600),
)


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        made.register(
            Registration(
                app="demo",
                apple_app_ids=(DEMO_APPLE_APP_ID,),
                android_packages=(PACKAGE,),
                android_signing_digests=("ab" * 32,),
            )
        )
        yield made


@pytest.fixture
def tallies() -> TalliesInMemory:
    return TalliesInMemory(*ROWS)


@pytest.fixture
def admin(world: AwsWorld, tallies: TalliesInMemory) -> AdminWorld:
    made = admin_world(world, tallies=tallies)
    made.clock = lambda: FRESH + 3.5
    return made


def test_view_is_as_documented_and_counts_what_was_decided(admin: AdminWorld, world: AwsWorld) -> None:
    """Lines, totals, shares, keys, gate, vendors, and a verdict with its reasons."""
    world.trust_bundles.add(bundle(7), "x.y.z")
    listed = StoredStatusList(
        content=packed(b"{}"), entries=1_712, fetched_at=FRESH - 600, fresh_until=FRESH, revision=1
    )
    world.status_lists.replace(listed)
    answer = admin.call("GET", VIEW)
    check_documented("ThreatView", answer)
    assert (answer["since"], answer["until"], answer["step"], len(answer["at"])) == (FRESH - 890, FRESH + 10, 2, 450)
    assert answer["totals"]["enrol"] == {"accepted": 130, "refused": 75, "unavailable": 0}
    assert answer["totals"]["challenge"]["issued"] == 120
    assert answer["series"]["enrol"]["refused"][answer["at"].index(FRESH - 100)] == 65
    assert answer["series"]["enrol"]["refused"][-5:] == [None] * 5
    assert answer["refused_share"]["enrol"] == round(75 / 205, 6)
    assert answer["refused_share"]["before"]["enrol"] == 0.0
    assert answer["unique_keys"]["enrol"]["refused"] == {"estimate": 2, "error": 0.0325}
    assert answer["unrecorded"]["enrol"] == 5
    assert answer["gate"] == {"bundle_versions": [6, 7], "bundle_age": 2.5, "published_version": 7}
    assert (answer["data_until"], answer["delay"]) == (FRESH - 98, 1.0)
    vendors = {vendor["name"]: vendor for vendor in answer["vendors"]}
    assert set(vendors) == {"apple", "google-status-list", "play-decode"}
    assert (vendors["google-status-list"]["state"], vendors["google-status-list"]["age"]) == ("ok", 600)
    assert vendors["google-status-list"]["detail"] == "1,712 revoked keys."
    assert vendors["play-decode"]["detail"] == "Nothing was asked of Google today."
    assert answer["them_or_us"] == {
        "verdict": "them",
        "because": [
            "Refused enrolments rose from 0.0 % to 36.6 %, most of all anchor-unknown (65 of 75).",
            "No operator changed anything of this app shortly before.",
        ],
    }


def test_filters_narrow_everything(admin: AdminWorld) -> None:
    """A hostile model is compared like any text; what has no facts is said to be missed."""
    answer = admin.call("GET", VIEW + "?platform=android&country=DE")
    assert set(answer["totals"]) == {"enrol", "renew", "signal", "secret"}
    assert answer["totals"]["enrol"] == {"accepted": 0, "refused": 60, "unavailable": 0}
    assert answer["unrecorded"]["enrol"] == 5
    assert answer["unique_keys"]["enrol"]["refused"] is None
    assert admin.call("GET", VIEW + "?outcome=refused&source=enrol")["totals"] == {"enrol": {"refused": 75}}
    assert admin.call("GET", VIEW + "?route=x&country=DE")["series"] == {}


def test_causes_are_as_documented_and_texts_pass_through(admin: AdminWorld) -> None:
    """What changed first; first seen a day ago, in an hour."""
    answer = admin.call("GET", f"{CAUSES}?by=why,model&since={FRESH - 120}&step=2")
    check_documented("ViewCauses", answer)
    first = answer["rows"][0]
    assert (first["source"], first["count"], first["before"]) == ("authorize", 900, 0)
    (hostile,) = [one for one in answer["rows"] if one["facts"].get("model") == HOSTILE]
    assert hostile["facts"] == {"why": "anchor-unknown", "model": HOSTILE}
    assert (hostile["count"], hostile["new"], answer["remainder"]) == (60, True, 5)
    (cause,) = admin.call("GET", f"{CAUSES}?by=why&source=enrol&outcome=refused&step=2&since={FRESH - 120}")["rows"]
    assert (cause["count"], cause["first_seen"], cause["new"]) == (65, FRESH - 86_400, False)
    assert answer["first_seen_since"] <= FRESH - 7 * 86_400
    short = admin.call("GET", f"{CAUSES}?by=why,source&limit=1&step=2")
    assert (len(short["rows"]), short["not_shown"]["rows"]) == (1, 4)


def test_breaker_that_is_open_is_a_vendor_that_fails(admin: AdminWorld, world: AwsWorld) -> None:
    """Known from the table, without a question to Google."""
    asked = DynamoDBPlayRequests(world.dynamodb, world.tables["play_requests"])
    for _ in range(3):
        assert asked.admit(PACKAGE, limit=100, now=FRESH)
        asked.failed(PACKAGE, now=FRESH, breaker=None)
    assert asked.breaker(PACKAGE, FRESH) == Breaker(until=FRESH + 10, times=1)
    (vendor,) = [one for one in admin.call("GET", VIEW)["vendors"] if one["name"] == "play-decode"]
    assert vendor["state"] == "failing"
    assert vendor["detail"].startswith(f"{PACKAGE}: 3 asked today; Google fails: the breaker opened 1x in a row")


def poll(admin: AdminWorld, path: str, etag: str = "") -> dict[str, Any]:
    """A whole answer."""
    plain, _, query = path.partition("?")
    event = rest_event("GET", plain, headers={"If-None-Match": etag}, query=dict(parse_qsl(query)) or None)
    event["pathParameters"] = {"proxy": plain.removeprefix("/admin/")}
    event["requestContext"]["identity"]["userArn"] = ACCOUNT + "ann"
    clock = admin.clock
    assert clock is not None
    return dict(admin_endpoint(administer.ROUTES, lambda _env: admin.stack, clock=clock)(event, None))


@pytest.mark.parametrize("path", [VIEW, f"{VIEW}?platform=ios", CAUSES, f"{VIEW}/funnel", "/admin/apps/demo/timeline"])
def test_answer_is_not_sent_again_while_nothing_changed(admin: AdminWorld, tallies: TalliesInMemory, path: str) -> None:
    """A poll two seconds later, and another: 304, until something is counted or the window moves on."""
    admin.clock = lambda: FRESH + 0.2
    first = poll(admin, path)
    tag = first["headers"]["ETag"]
    for later in (2.2, 4.4, 9.9):
        admin.clock = lambda later=later: FRESH + later
        assert poll(admin, path, tag)["statusCode"] == 304
    if "timeline" in path:
        admin.call("POST", "/admin/signing-keys/rotate", {"why": "x"})
    else:
        tallies.kept.append(row("enrol", FRESH + 4, {("accepted", "", "ios"): 1}))
        tallies.kept.append(row("enrol", FRESH // 60 * 60, {("accepted", "", "ios"): 1}, step=60))
    changed = poll(admin, path, tag)
    assert changed["statusCode"] == 200
    assert changed["headers"]["ETag"] != tag


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("step=3", "step"),
        ("step=2&since=1794900000", "step"),
        ("since=soon", "since"),
        ("since=1794900000&until=1794800000", "until"),
        ("since=1895000000", "since"),
        ("colour=red", "colour"),
        ("source=all", "source"),
        ("model=" + "x" * 300, "model"),
    ],
)
@pytest.mark.parametrize("path", [VIEW, CAUSES])
def test_bad_question_is_refused_by_name(admin: AdminWorld, path: str, query: str, member: str) -> None:
    """400 with the member, never the value."""
    status, problem = admin.answer("GET", f"{path}?{query}")
    assert (status, problem["type"], problem["messages"][0]["at"]) == (400, "/problems/malformed-request", member)
    assert "x" * 20 not in json.dumps(problem)


@pytest.mark.parametrize("by", ["colour", "why,why", "why,os,model,build"])
def test_dimension_that_is_none_is_refused_by_name(admin: AdminWorld, by: str) -> None:
    status, problem = admin.answer("GET", f"{CAUSES}?by={by}")
    assert (status, problem["messages"][0]["at"]) == (400, "by")


def test_what_came_for_no_registered_app_has_a_view(admin: AdminWorld, tallies: TalliesInMemory) -> None:
    """Requests without a token name no app: a flood of them must be seen somewhere."""
    flood = row("authorize", FRESH - 10, {("refused", "token-missing", "orders GET /", "no-token"): 5_000})
    tallies.kept.append(replace(flood, app="-"))
    answer = admin.call("GET", "/admin/apps/-/view")
    check_documented("ThreatView", answer)
    assert (answer["totals"]["authorize"]["refused"], answer["vendors"]) == (5_000, [])
    assert admin.call("GET", "/admin/apps/-/view/causes?step=2")["rows"][0]["count"] == 5_000


def test_unknown_app_is_404(admin: AdminWorld) -> None:
    for path in ("view", "view/causes"):
        status, problem = admin.answer("GET", f"/admin/apps/nobodys/{path}")
        assert (status, problem["type"]) == (404, "/problems/unknown-app")


def test_key_is_shown_with_what_its_evidence_proved(admin: AdminWorld, world: AwsWorld) -> None:
    """As policies see it: neither public key nor receipt; a row that cannot be read is still shown."""
    key = enrolled_key()
    world.redemption.enrol(challenge(), key)
    answer = admin.call("GET", f"/admin/keys/{key.key_id}")
    check_documented("AdminKeyShown", answer)
    facts = answer["facts"]
    assert (answer["state"], facts["kind"], facts["claims"]["platform"]) == ("active", "Apple", "ios")
    assert "odd" in facts["claims"]["findings"]
    assert "public_key" not in json.dumps(answer)
    world.dynamodb.update_item(
        TableName=world.tables["attested_keys"],
        Key={"key_id": {"S": key.key_id}},
        UpdateExpression="SET claims = :damaged",
        ExpressionAttributeValues={":damaged": {"B": b"damaged"}},
    )
    assert admin.call("GET", f"/admin/keys/{key.key_id}")["facts"] is None
