"""The Admin API over real transactions: each change and its audit entry are one, and the events' answers are these."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from service.fallback_modes import PolicyApproval

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import RegisteredApps, Registration
from bonafide.policies.publishing import Documents, difference
from tests.integration.administered_stack import DRAFT, POLICIES, admin, entries, refused
from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.admin_calls import ACCOUNT, AdminWorld, admin_world
from tests.service_stack.faults import answering, injected
from tests.service_stack.incident_worlds import finding
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack
EVENTS = Path(__file__).parents[2] / "events" / "administer"


def publish(admin: AdminWorld, expected: int = 0, **more: object) -> dict[str, Any]:
    return admin.call("POST", POLICIES, {"appraisal": DRAFT, "why": "seen", "expected_version": expected, **more})


def test_published_draft_is_the_next_version_and_written_down(admin: AdminWorld) -> None:
    """Who, why and the difference; nothing is published to the gate without need."""
    answer = publish(admin)
    assert (answer["latest"], answer["stable"], answer["added"]["by"]) == (1, 1, f"{ACCOUNT}ann")
    assert "published" not in answer
    version = admin.call("GET", f"{POLICIES}/versions/1")
    assert version["appraisal"] == DRAFT
    (entry,) = entries(admin, "app/demo")
    assert (entry["action"], entry["who"], entry["why"]) == ("publish-policy", f"{ACCOUNT}ann", "seen")
    assert '+@id("hooked") @advice("update-app")' in entry["details"]["appraisal_diff"]
    default = Documents.of("0", admin.call("GET", f"{POLICIES}/versions/0"))
    assert "hooked" in difference(default, Documents.of("1", version))
    assert [known["version"] for known in admin.call("GET", f"{POLICIES}/history")["versions"]] == [1]


def test_policy_active_now_is_published_to_the_gate(admin: AdminWorld, ministack: AwsWorld) -> None:
    """The answer says since when older tokens are refused, and which bundle says so."""
    answer = publish(admin, effect="now")
    assert (answer["published"], answer["bundle_version"]) == (True, 1)
    assert answer["tokens_not_before"] == ministack.not_before("demo")


def test_change_that_is_stored_and_not_published_says_both(admin: AdminWorld) -> None:
    """The failure: an operator believes that nothing happened, or that everything did."""
    admin.publication.fails = True
    answer = publish(admin, effect="now")
    assert (answer["published"], answer["latest"]) == (False, 1)
    assert "stored" in answer["what_to_do"]


def test_author_who_has_not_seen_the_latest_version_is_refused(admin: AdminWorld) -> None:
    """The loser hears who was faster."""
    publish(admin)
    admin.name = "bob"
    problem = refused(admin, "POST", POLICIES, {"client": '{"format": 1}', "why": "late", "expected_version": 0})
    assert (problem.status, problem.slug) == (409, "policy-conflict")
    assert "user/ann" in str(problem)


def test_policy_with_errors_is_refused_with_every_message(admin: AdminWorld) -> None:
    """And nothing is written, nor written down."""
    body = {"appraisal": DRAFT.replace("hooking", "hokking"), "why": "x", "expected_version": 0}
    problem = refused(admin, "POST", POLICIES, body)
    assert (problem.status, problem.slug) == (422, "policy-invalid")
    (message, *_) = [m for m in problem.messages if m["severity"] == "error"]
    assert (message["document"], message["code"]) == ("appraisal", "unknown-signal")
    assert admin.call("GET", POLICIES)["latest"] == 0
    assert not entries(admin, "app/demo")


@pytest.mark.parametrize("why", ["", "  ", "x" * 501], ids=["empty", "blank", "long"])
def test_change_of_policy_without_a_reason_is_refused(admin: AdminWorld, why: str) -> None:
    """An operator who looks later must find one."""
    assert refused(admin, "POST", POLICIES, {"appraisal": DRAFT, "why": why, "expected_version": 0}).status == 400


def test_rollout_grows_and_goes_back(admin: AdminWorld) -> None:
    """Canary, promotion, rollback: each by its route, each written down."""
    assert publish(admin, rollout=5)["canary"] == {"version": 1, "rollout": 5}
    promoted = admin.call("POST", f"{POLICIES}/promote", {"version": 1, "why": "quiet"})
    assert (promoted["stable"], promoted["canary"]) == (1, None)
    back = admin.call("POST", f"{POLICIES}/rollback", {"why": "false alarm", "expected_version": 1})
    assert (back["stable"], back["added"]["restores"]) == (2, 0)
    actions = [entry["action"] for entry in entries(admin, "app/demo")]
    assert sorted(actions) == ["promote-policy", "publish-policy", "roll-back-policy"]


def test_second_person_makes_a_proposal_active(ministack: AwsWorld, admin: AdminWorld) -> None:
    """The attack: the author approves alone. Another person can, or takes it from the table."""
    two = admin_world(ministack, approval=PolicyApproval.TWO_PERSON)
    answer = publish(two)
    assert (answer["proposal"], answer["latest"], answer["added"]) == (1, 0, None)
    problem = refused(two, "POST", f"{POLICIES}/approve", {"proposal": 1})
    assert (problem.status, problem.slug) == (403, "second-person-needed")
    two.name = "bob"
    assert two.call("GET", f"{POLICIES}/proposals/1")["appraisal"] == DRAFT
    approved = two.call("POST", f"{POLICIES}/approve", {"proposal": 1})
    assert (approved["stable"], approved["added"]["approved_by"]) == (1, f"{ACCOUNT}bob")
    two.call("POST", POLICIES, {"client": '{"format": 1}', "why": "more", "expected_version": 1})
    two.call("POST", f"{POLICIES}/reject", {"proposal": 2, "why": "no"})
    assert admin.call("GET", POLICIES)["proposal"] is None


@pytest.mark.parametrize("path", ["", "/history", "/versions/1", "/proposals/1"])
def test_policies_of_an_unknown_app_are_unknown(admin: AdminWorld, path: str) -> None:
    """A name that is misspelt must not look like an app without policies."""
    assert refused(admin, "GET", f"/admin/policies/nobody{path}", {}).slug == "unknown-app"


@pytest.mark.parametrize("path", ["versions/7", "proposals/7"])
def test_version_that_is_not_there_is_said(admin: AdminWorld, path: str) -> None:
    """404, and no empty documents."""
    assert refused(admin, "GET", f"{POLICIES}/{path}", {}).slug == "unknown-policy"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/admin/keys/{key}/block", {"reason": "stolen"}),
        ("POST", "/admin/keys/{key}/unblock", {"why": "found"}),
        ("POST", "/admin/apps/demo/not-before", {}),
        ("PUT", "/admin/apis/orders", {"routes": [["*", "/*", "proof"]], "revision": 0}),
        ("POST", POLICIES, {"appraisal": DRAFT, "why": "x", "expected_version": 0}),
    ],
)
def test_no_change_without_its_entry(
    admin: AdminWorld, ministack: AwsWorld, method: str, path: str, body: dict[str, object]
) -> None:
    """The failure: the audit table refuses, and the change is made all the same. Here the whole transaction fails."""
    key = enrolled_key()
    ministack.redemption.enrol(challenge(), key)
    path = path.replace("{key}", key.key_id)
    denied = answering(400, "AccessDeniedException")
    with injected(ministack.dynamodb, "TransactWriteItems", denied):
        assert refused(admin, method, path, body).status == 503
    for subject in ("app/demo", f"key/{key.key_id}", "api/orders"):
        assert not entries(admin, subject)
    admin.call(method, path, body)
    done = [entry for s in ("app/demo", f"key/{key.key_id}", "api/orders") for entry in entries(admin, s)]
    assert [entry["who"] for entry in done] == [f"{ACCOUNT}ann"]


def test_audit_is_read_page_by_page(admin: AdminWorld) -> None:
    """Newest first; the last entry of a page is where the next begins."""
    for revision in range(3):
        admin.call("PUT", "/admin/apis/orders", {"routes": [["*", "/*", "proof"]], "revision": revision})
    first = admin.call("GET", "/admin/audit?subject=api%2Forders&limit=2")["entries"]
    rest = admin.call("GET", f"/admin/audit?subject=api%2Forders&before={first[-1]['entry']}")["entries"]
    assert len({entry["details"]["revision"] for entry in (*first, *rest)}) == 3


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_event_is_answered_with_the_status_in_its_name(admin: AdminWorld, ministack: AwsWorld, path: Path) -> None:
    """The three digits that the file's name begins with; one event for each kind of route."""
    event = json.loads(path.read_text("utf-8"))
    if "/keys/" in event["path"] and not path.stem.startswith("404"):
        key = enrolled_key()
        ministack.redemption.enrol(challenge(), key)
        event["pathParameters"]["proxy"] = event["pathParameters"]["proxy"].replace(
            event["path"].split("/")[3], key.key_id
        )
    if path.stem.endswith("show_api"):
        body: dict[str, object] = {"routes": [["*", "/*", "proof"]], "revision": 0}
        admin.call("PUT", "/admin/apis/bonafide-api", body)
    if path.stem in ("200_show_incident", "200_close_incident"):
        now = time.time()
        admin.stack.incidents.raise_all([finding(since=now, last=now)], now)
    if path.stem in ("200_promote_policy", "200_show_policy_version"):
        publish(admin, rollout=10)
    if path.stem == "200_roll_back_policy":
        publish(admin)
    if path.stem in ("200_approve_policy", "200_reject_policy", "200_show_policy_proposal", "403_approve_own_proposal"):
        admin = admin_world(ministack, approval=PolicyApproval.TWO_PERSON)
        admin.name = "ann" if path.stem.startswith("403") else "author"
        publish(admin)
    if "/webhooks/pager" in event["path"]:
        admin.call("POST", "/admin/webhooks/pager", {"url": "https://hooks.example.com/in"})
    status, members = admin.handle(event)
    assert status == int(path.stem[:3]), members


def test_registration_replaces_only_what_was_seen(admin: AdminWorld) -> None:
    """The failure: two operators add a signer each, and one of them is gone. The entry has what was registered."""
    apps = RegisteredApps(admin)
    made = apps.put(Registration(app="shop", android_packages=("a.shop",), android_signing_digests=("ab" * 32,)))
    assert apps.find("shop") == apps.get("shop") == made
    assert [app.app for app in apps.list()] == ["demo", "shop"]
    changed = apps.put(replace(made, minimum_builds={"android": "42"}))
    assert (changed.minimum_builds, changed.created_at) == ({"android": "42"}, made.created_at)
    assert (made.revision, changed.revision) == (1, 2)
    with pytest.raises(AdminProblem) as late:
        apps.put(replace(made, android_signing_digests=("cd" * 32,)))
    assert late.value.slug == "conflict"
    assert apps.get("shop") == changed
    newest, first = entries(admin, "app/shop")
    assert first["details"]["android_signing_digests"] == "ab" * 32
    assert "minimum_builds" in newest["details"] or "minimum_builds" in first["details"]
    assert apps.find("nobody") is None


def test_registration_that_cannot_be_is_refused_in_words(admin: AdminWorld) -> None:
    """The same words as at the keyboard: what is checked there is checked here again."""
    problem = refused(admin, "PUT", "/admin/apps/shop", {"android_packages": ["a.shop"]})
    assert (problem.status, problem.slug) == (422, "change-refused")
    assert "--android-signer" in str(problem)
