"""The timeline: what operators changed of an app, its keys, its APIs and the stack, in pages that end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import service.admin
from attestation.appraisal.cedar.engine import default_policy
from service.tables.audit import app_subject, key_subject
from service.view.timeline import _KNOWN, MAX_PAGE

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.admin_calls import ACCOUNT, AdminWorld, admin_world
from tests.service_stack.backward_ranges import refuse_backward_ranges
from tests.service_stack.worlds import AwsWorld, moto_world
from tests.unit.view.documented import check_documented

NOW = 1_795_521_600.0
PATH = "/admin/apps/demo/timeline"
ACTION = re.compile(
    "(publish|propose|approve|reject|promote|roll-back|block|unblock|register|retire|restore|set|entrust|forget|rotate|"
    "refuse|close|endorse)-[a-z-]+|refresh-endorsements"
)
"""How the actions of the audit are called: a verb first, and nothing else in these rooms is called so."""


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        for app in ("demo", "other"):
            made.register(Registration(app=app, apple_app_ids=(DEMO_APPLE_APP_ID,)))
        yield made


@pytest.fixture
def admin(world: AwsWorld) -> AdminWorld:
    """Each call a second after the one before."""
    made = admin_world(world)
    seconds = count()

    def clock() -> float:
        return NOW + next(seconds)

    made.clock = clock
    made.stack = replace(made.stack, publishing=replace(made.stack.publishing, clock=clock))
    return made


def enrol(world: AwsWorld) -> str:
    key = enrolled_key(expires_at=int(NOW) + 86_400)
    world.redemption.enrol(challenge(), key)
    return key.key_id


def entries(admin: AdminWorld, query: str = "") -> list[dict[str, Any]]:
    answer = admin.call("GET", PATH + query)
    check_documented("Timeline", answer)
    found: list[dict[str, Any]] = answer["entries"]
    return found


def test_changes_of_all_kinds_are_told_newest_first(admin: AdminWorld, world: AwsWorld) -> None:
    """With who and why; those of other apps are not."""
    key_id = enrol(world)
    draft = default_policy().text + "\n"
    admin.call(
        "POST", "/admin/policies/demo", {"appraisal": draft, "why": "rules", "expected_version": 0, "effect": "now"}
    )
    admin.call("POST", f"/admin/keys/{key_id}/block", {"reason": "stolen"})
    admin.call("POST", f"/admin/keys/{key_id}/unblock", {"why": "found"})
    admin.call("POST", "/admin/apps/demo/not-before", {"why": "all anew"})
    admin.call("POST", "/admin/apps/demo/builds", {"platform": "apple", "build": "42", "why": "release"})
    admin.call("POST", "/admin/apps/other/builds", {"platform": "apple", "build": "1", "why": "not ours"})
    admin.call("PUT", "/admin/apis/orders", {"routes": [["*", "/*", "proof"]], "revision": 0, "why": "orders"})
    admin.call("POST", "/admin/signing-keys/rotate", {"why": "yearly"})
    found = entries(admin)
    assert [(one["kind"], one["reason"]) for one in found] == [
        ("upkeep", "yearly"),
        ("route", "orders"),
        ("build", "release"),
        ("not-before", "all anew"),
        ("unblock", "found"),
        ("block", "stolen"),
        ("policy", "rules"),
    ]
    assert {one["who"] for one in found} == {f"{ACCOUNT}ann"}
    assert found[-1]["title"] == "Version 1 of the policy was published, in effect at once."
    assert found[1]["title"] == "The routes of orders were set."
    assert found[5]["details"] == {"key_id": key_id}
    assert "appraisal_diff" not in found[-1]["details"] or len(found[-1]["details"]["appraisal_diff"]) <= 200
    # Under the key the entry stands as before.
    ((block, unblock),) = [admin.call("GET", f"/admin/audit?subject={key_subject(key_id)}")["entries"][::-1]]
    assert (block["action"], unblock["action"]) == ("block-key", "unblock-key")
    assert not [
        one
        for one in admin.call("GET", f"/admin/audit?subject={app_subject('demo')}")["entries"]
        if "key" in one["action"]
    ]


def test_letting_in_what_a_rule_blocked_is_one_entry(admin: AdminWorld, world: AwsWorld) -> None:
    """Not one for each of thousands of keys."""
    key_id = enrol(world)
    admin.stack.blocking.block_automatically(key_id, by="policy 3: hooked", now=NOW, reason="hooked", seconds=86_400)
    admin.call("POST", "/admin/blocked-keys/unblock", {"rule": "hooked", "app": "demo", "why": "a bad rule"})
    (one,) = entries(admin)
    assert (one["kind"], one["title"], one["reason"]) == (
        "unblock",
        "Keys blocked by hooked were unblocked.",
        "a bad rule",
    )
    assert admin.call("GET", f"/admin/keys/{key_id}")["state"] == "active"


def test_pages_hold_each_entry_once_and_end(admin: AdminWorld) -> None:
    """Over subjects, and with two changes of one moment."""
    for number in range(5):
        admin.call("POST", "/admin/apps/demo/builds", {"platform": "apple", "build": f"{number}", "why": f"b{number}"})
        admin.call("POST", "/admin/signing-keys/rotate", {"why": f"k{number}"})
    seen: list[str] = []
    query = "?limit=3"
    for _ in range(10):
        answer = admin.call("GET", PATH + query)
        seen += [one["reason"] for one in answer["entries"]]
        if answer["before"] is None:
            break
        query = f"?limit=3&before={answer['before']}"
    assert seen == [f"{kind}{number}" for number in range(4, -1, -1) for kind in "kb"]


def test_time_that_is_asked_for_bounds_what_is_read(admin: AdminWorld) -> None:
    """A day by default; ``until`` is not included."""
    admin.call("POST", "/admin/signing-keys/rotate", {"why": "first"})
    admin.call("POST", "/admin/signing-keys/rotate", {"why": "second"})
    assert [one["reason"] for one in entries(admin, f"?until={int(NOW) + 1}")] == ["first"]
    assert [one["reason"] for one in entries(admin, f"?since={int(NOW) + 1}")] == ["second"]
    page = admin.call("GET", f"{PATH}?limit=1")
    assert [one["reason"] for one in entries(admin, f"?since={int(NOW)}&before={page['before']}")] == ["first"]
    admin.clock = lambda: NOW + 2 * 86_400
    assert not entries(admin)


@pytest.mark.parametrize(
    ("query", "member"),
    [
        ("limit=0", "limit"),
        (f"limit={MAX_PAGE + 1}", "limit"),
        ("before=x", "before"),
        ("since=soon", "since"),
        ("kind=block", "kind"),
    ],
)
def test_bad_query_is_refused_by_name(admin: AdminWorld, query: str, member: str) -> None:
    with pytest.raises(AdminProblem) as caught:
        admin.call("GET", f"{PATH}?{query}")
    assert (caught.value.status, caught.value.messages[0]["at"]) == (400, member)


@pytest.mark.parametrize(
    "query", ["?until=742", "?since=1795521600&until=1795521000", "?before=2026-01-01T00:00:00Z/a"]
)
def test_time_that_ends_before_it_begins_has_no_entries(admin: AdminWorld, world: AwsWorld, query: str) -> None:
    """Red before: a range that DynamoDB refuses, and a 503."""
    refuse_backward_ranges(world.dynamodb)
    assert entries(admin, query) == []


def test_app_that_is_not_registered_has_none(admin: AdminWorld) -> None:
    with pytest.raises(AdminProblem) as caught:
        admin.call("GET", "/admin/apps/nobodys/timeline")
    assert caught.value.slug == "unknown-app"


def test_every_action_of_the_audit_has_a_kind() -> None:
    """A new kind of change belongs on the timeline, in words: the actions are those that the code writes."""
    root = Path(service.admin.__path__[0]).parent
    rooms = ("admin", "policies", "incident_administration", "ledger_administration")
    trees = [ast.parse(path.read_text("utf-8")) for room in rooms for path in (root / room).glob("*.py")]
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    written = {text for text in texts if ACTION.fullmatch(text)}
    assert len(written) > 15
    assert written == set(_KNOWN) - {"open-incident", "end-incident"}, "those are no operator's"
