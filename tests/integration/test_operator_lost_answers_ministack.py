"""Operators' changes whose answers are lost, that are throttled, or that meet another's within one second."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from service.tables.audit import DynamoDBAudit

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import RegisteredApps, Registration, Registrations
from tests.integration.administered_stack import CHANGE, POLICIES, admin, entries, refused
from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.faults import answering, first, injected, losing_the_answer
from tests.service_stack.worlds import AwsWorld

__all__ = ["admin"]
pytestmark = pytest.mark.ministack

ROUTES = {"routes": [["*", "/*", "proof"]], "revision": 0}
LOST = [
    pytest.param("POST", POLICIES, {**CHANGE, "effect": "now"}, "policy show --app demo", id="policy"),
    pytest.param("POST", "/admin/keys/{key}/block", {"reason": "stolen"}, "device-key show {key}", id="block"),
    pytest.param("POST", "/admin/keys/{key}/unblock", {"why": "found"}, "device-key show {key}", id="unblock"),
    pytest.param("POST", "/admin/apps/demo/not-before", {}, "token show demo", id="not-before"),
    pytest.param("PUT", "/admin/apis/orders", ROUTES, "route show orders", id="routes"),
    pytest.param("PUT", "/admin/apps/shop", {"apple_app_ids": ["TEAMID1234.org.shop"]}, "app show shop", id="app"),
    pytest.param(
        "POST", "/admin/apps/demo/retired-builds", {"platform": "apple", "build": "41"}, "app builds demo", id="retire"
    ),
]
SUBJECTS = ("app/demo", "app/shop", "api/orders")


def told_of(admin: AdminWorld, key_id: str) -> list[dict[str, Any]]:
    return [entry for subject in (*SUBJECTS, f"key/{key_id}") for entry in entries(admin, subject)]


@pytest.mark.parametrize(("method", "path", "body", "look"), LOST)
def test_change_whose_answer_is_lost_is_found_and_told(
    admin: AdminWorld, ministack: AwsWorld, method: str, path: str, body: dict[str, object], look: str
) -> None:
    """The failure: the operator hears 503, looks, and finds the change made; but relying parties go on for an hour with
    what it takes back. The audit entry of the attempt says that it was made."""
    del look
    key = enrolled_key()
    ministack.redemption.enrol(challenge(), key)
    with injected(ministack.dynamodb, "TransactWriteItems", losing_the_answer(times=100)):
        answer = admin.call(method, path.replace("{key}", key.key_id), body)
    assert len(told_of(admin, key.key_id)) == 1
    assert admin.publication.version == ("published" in answer)


@pytest.mark.parametrize(("method", "path", "body", "look"), LOST)
def test_change_in_doubt_is_published_and_says_how_to_look(
    admin: AdminWorld, ministack: AwsWorld, method: str, path: str, body: dict[str, object], look: str
) -> None:
    """Nor can the audit be read: 503. Made again when all is well, the same call is the same change."""
    key = enrolled_key()
    ministack.redemption.enrol(challenge(), key)
    path, look = (text.replace("{key}", key.key_id) for text in (path, look))
    down = answering(500, "InternalServerError")
    with (
        injected(ministack.dynamodb, "TransactWriteItems", losing_the_answer(times=100)),
        injected(ministack.dynamodb, "Query", down, table=ministack.tables["audit"]),
    ):
        problem = refused(admin, method, path, body)
    assert (problem.status, f"`bonafide {look}`" in str(problem)) == (503, True)
    published = admin.publication.version
    assert published == (0 if "shop" in path or "retired" in path else 1)
    assert len(told_of(admin, key.key_id)) == 1
    # Within the same second a second "not before" of now would be the first one.
    admin.clock = lambda: time.time() + 2
    answer = admin.call(method, path, body)
    assert admin.publication.version == published + ("published" in answer)
    assert len(told_of(admin, key.key_id)) == (2 if "/keys/" in path or "not-before" in path else 1)


@pytest.mark.parametrize(("method", "path", "body", "look"), LOST)
@pytest.mark.parametrize("code", ["ThrottlingError", "TransactionConflict", "ProvisionedThroughputExceeded"])
def test_change_that_is_throttled_is_try_later_and_no_conflict(
    admin: AdminWorld,
    ministack: AwsWorld,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, object],
    look: str,
    code: str,
) -> None:
    """The failure: "another operator changed this", and none did. Nothing is written, and the same call goes
    through."""
    del look
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    key = enrolled_key()
    ministack.redemption.enrol(challenge(), key)
    path = path.replace("{key}", key.key_id)
    throttled = answering(400, "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": code}])
    with injected(ministack.dynamodb, "TransactWriteItems", throttled) as sent:
        assert refused(admin, method, path, body).slug == "try-later"
    assert len(sent) > 1
    assert not told_of(admin, key.key_id)
    with injected(ministack.dynamodb, "TransactWriteItems", first(2, throttled)):
        admin.call(method, path, body)
    assert len(told_of(admin, key.key_id)) == 1


def test_routes_that_another_operator_set_alike_are_a_conflict(admin: AdminWorld) -> None:
    """Only one's own call again is no other change."""
    body = {"routes": [["*", "/*", "proof"]], "revision": 0}
    admin.call("PUT", "/admin/apis/orders", body)
    admin.call("PUT", "/admin/apis/orders", body)
    admin.name = "bob"
    assert refused(admin, "PUT", "/admin/apis/orders", body).slug == "conflict"


def test_registrations_of_one_second_lose_nothing(ministack: AwsWorld) -> None:
    """The failure: times of whole seconds are compared, so of two changes within a second one is gone. Here every
    operator adds a signer to what stands, and tries again when another was faster."""
    worlds = [admin_world(ministack) for _ in range(6)]
    for world in worlds:
        registrations = Registrations(
            ministack.dynamodb,
            ministack.tables["apps"],
            clock=lambda: 1_000.0,
            audit=DynamoDBAudit(ministack.dynamodb, ministack.tables["audit"]),
        )
        world.stack = replace(world.stack, registrations=registrations)
    first_signer = Registration(app="shop", android_packages=("a.shop",), android_signing_digests=("ab" * 32,))
    RegisteredApps(worlds[0]).put(first_signer)

    def add(number: int) -> None:
        apps = RegisteredApps(worlds[number])
        for _ in range(100):
            stands = apps.get("shop")
            signers = (*stands.android_signing_digests, f"{number:064x}")
            try:
                apps.put(replace(stands, android_signing_digests=signers))
            except AdminProblem as problem:
                if problem.slug not in ("conflict", "try-later"):
                    raise
            else:
                return
        raise AssertionError("never stored")

    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(add, range(6)))
    stands = RegisteredApps(worlds[0]).get("shop")
    assert set(stands.android_signing_digests) == {"ab" * 32, *(f"{number:064x}" for number in range(6))}
    assert (stands.revision, stands.updated_at) == (7, 1_000)


def test_registration_of_an_older_release_has_a_revision(admin: AdminWorld, ministack: AwsWorld) -> None:
    """Its row counts none."""
    apps = RegisteredApps(admin)
    made = apps.put(Registration(app="shop", apple_app_ids=("TEAMID1234.org.shop",)))
    ministack.dynamodb.update_item(
        TableName=ministack.tables["apps"], Key={"app": {"S": "shop"}}, UpdateExpression="REMOVE revision"
    )
    stands = apps.get("shop")
    assert stands == made
    assert apps.put(replace(stands, audiences=("orders",))).revision == 2
    with pytest.raises(AdminProblem):
        apps.put(replace(stands, audiences=("payments",)))
